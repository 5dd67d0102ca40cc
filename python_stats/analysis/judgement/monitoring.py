"""What may be read off every look: boundaries, sequential p-values and intervals of the headline estimates."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from python_stats.analysis.judgement.headline import Headlines
from python_stats.analysis.settings import DEFAULTS, Settings
from python_stats.analysis.table.comparisons import COMPARISON_KEYS, BoolArray, FloatArray, IntArray
from python_stats.lift import fieller_at
from python_stats.means.hall_transformation import hall_reach
from python_stats.normal_scale import t_of_z, z_of_t
from python_stats.sequential.always_valid import AlwaysValid, asymptotic_cs, asymptotic_cs_rho, msprt
from python_stats.sequential.repeated_looks import repeated_looks
from python_stats.sequential.spending import SPENDING
from python_stats.t_quantile import t_quantile
from python_stats.wald import tail_alpha

SEQUENTIAL_COLUMNS = {
    "sequential_method": "string",
    "information_fraction": "float64",
    "is_over_planned": "boolean",
    "sequential_statistic": "float64",
    "sequential_boundary": "float64",
    "sequential_p_value": "float64",
    "sequential_ci_low": "float64",
    "sequential_ci_high": "float64",
    "sequential_lift_ci_low": "float64",
    "sequential_lift_ci_high": "float64",
    "is_crossed": "boolean",
    "first_crossed_on": "datetime64[us]",
    "always_valid_p_value": "float64",
    "always_valid_ci_low": "float64",
    "always_valid_ci_high": "float64",
}


class _Looks(NamedTuple):
    """Looks in a rectangle, shape (comparisons, looks), and the plan of each comparison, shape (comparisons, 1).

    Numbers are NaN where there is no look, and where a look has no test.
    """

    z: FloatArray
    se: FloatArray
    units: FloatArray
    alpha: FloatArray
    alternative: NDArray[np.str_]
    target: FloatArray


class _Reading(NamedTuple):
    """What one method says at every look: shape (comparisons, looks), the first crossing (comparisons,).

    ``boundary`` is on the normal scale, and so many standard errors of a normal estimate the interval reaches to each
    side. ``source`` is the look whose interval stands at the look: its own, or the one that ended the design.
    """

    p_value: FloatArray
    boundary: FloatArray
    source: IntArray
    crossed: BoolArray
    first: IntArray


def monitored(headlines: Headlines, settings: Settings = DEFAULTS) -> Headlines:
    """Add to every look what may be said at it, however often one looks.

    The looks of a comparison are one schedule. Its statistics are those of the headline's own test (Welch, pooled z,
    cluster-robust, exact, transformed where the effect is skewed), each on the normal scale: z with the p-value of the
    test; intervals go as far as the test does. Alpha is spent by units, mature
    ones over planned ones; the looks are correlated by information, ``1 / se**2``, which grows more slowly where units
    are added to clusters that are there already. Where ``1 / se**2`` has not grown since the look before, information
    is taken to have grown with the units: a variance estimate that rises is no information lost.

    Parameters
    ----------
    headlines : Headlines
        The headline of every comparison and look. The comparisons have the plan: ``alpha, alternative, mde,
        effect_scale, look_number, sequential_method`` (a spending function, ``msprt`` or ``asymptotic_cs``; missing for
        a fixed horizon), ``sequential_parameter`` and ``planned_pair_units``, planned units of the two arms.
    settings : Settings
        ``always_valid_target_units``.

    Returns
    -------
    Headlines
        The same with `SEQUENTIAL_COLUMNS`. Missing at looks without a test; the columns of the plan's method are
        missing for a fixed horizon. A group sequential plan is not monitored where looks are missing (their crossing
        could not be known): its method is missing then.

    References
    ----------
    docs/statistics/sequential.md.
    """
    if not len(headlines):
        return headlines
    schedule = headlines.table.group(COMPARISON_KEYS)
    day, days = headlines.table.words("look_date")
    order = np.lexsort((np.argsort(days.argsort())[day], schedule))
    table = headlines.table.take(order)
    row = schedule[order]

    starts = np.flatnonzero(np.diff(row, prepend=-1))
    look = np.arange(row.size) - starts[row]
    shape = (starts.size, int(look.max()) + 1)
    alpha, alternative = table.plan["alpha"], table.plan["alternative"]

    def column(name: str) -> NDArray[np.generic]:
        return headlines[name][order]

    def padded(values: FloatArray) -> FloatArray:
        result = np.full(shape, np.nan)
        result[row, look] = values
        return result

    effect, se, df = (column(name) for name in ("effect", "effect_se", "df"))
    skewness = np.nan_to_num(column("reference_skewness"))
    z = _normal_statistic(column("statistic"), column("p_value"), effect, df, alternative)
    tested = (column("status") == "ok") & (se > 0.0) & ~np.isnan(z)
    z = np.where(tested, z, np.nan)
    # What the looks before said still stands where the values have become too skewed for another one.
    standing = tested | (column("status") == "too_skewed")
    units = column("n_control") + column("n_treatment")
    planned = table.number("planned_pair_units")[starts]
    planned = np.where(planned > 0.0, planned, np.nan)
    data = _Looks(
        padded(z), padded(se), padded(units), alpha[starts][:, None], alternative[starts][:, None],
        np.where(np.isnan(planned), settings.always_valid_target_units, planned)[:, None],
    )  # fmt: skip

    always = _always_valid(data)
    code, methods = table.words("sequential_method")
    method = np.append(methods.to_numpy(dtype=str), "")[code[starts]]
    all_seen = np.maximum.reduceat(table.number("look_number"), starts) == np.bincount(row)
    method = np.where(np.isin(method, SPENDING) & ~all_seen, "", method)
    chosen = _Reading(
        np.full(shape, np.nan), np.full(shape, np.nan), np.broadcast_to(np.arange(shape[1]), shape).copy(),
        np.zeros(shape, dtype=bool), np.full(shape[0], -1),
    )  # fmt: skip
    _fill(chosen, always, np.flatnonzero(method == "asymptotic_cs"))
    prior = np.flatnonzero(method == "msprt")
    if prior.size:
        # The smallest effect that matters, in the metric's unit; a relative one of the control mean at the look.
        mde, base = table.number("mde"), np.abs(column("mean_control"))
        planned_effect = padded(np.where(table.is_word("effect_scale", "absolute"), mde, mde * base))
        _fill(chosen, _msprt(_Looks(*(part[prior] for part in data)), planned_effect[prior]), prior, taken=True)
    spending = np.flatnonzero(np.isin(method, SPENDING))
    if spending.size:
        parameter = table.number("sequential_parameter")[starts][spending]
        reading = _group_sequential(
            _Looks(*(part[spending] for part in data)), method[spending], parameter, planned[spending]
        )
        _fill(chosen, reading, spending, taken=True)

    def interval(reading: _Reading) -> tuple[FloatArray, FloatArray, FloatArray]:
        # The interval of the look that ended the design is made of that look's estimate, too.
        source = starts[row] + reading.source[row, look]
        width = t_of_z(reading.boundary[row, reading.source[row, look]], df[source])
        below, above = hall_reach(width, skewness[source])
        known = np.isfinite(width * se[source])
        low = np.where(known, np.where(alternative == "less", -np.inf, effect[source] - below * se[source]), np.nan)
        high = np.where(known, np.where(alternative == "greater", np.inf, effect[source] + above * se[source]), np.nan)
        return low, high, (below, above)

    low, high, reach = interval(chosen)
    # How many standard errors the fixed-horizon interval reaches to a side.
    fixed = t_quantile(np.where(np.isfinite(df), df, np.inf), tail_alpha(alpha, alternative))
    own = hall_reach(fixed, skewness)
    is_own = chosen.source[row, look] == look
    widening = [np.where(is_own, far / near, np.nan) for far, near in zip(reach, own, strict=True)]
    lift_low, lift_high = _widened_lift(
        column("lift"), column("mean_control"), (column("lift_ci_low"), column("lift_ci_high")), widening
    )
    # On the scale of a transformed test there is no widening, but Fieller's set at the same reach.
    rows = np.flatnonzero(skewness != 0.0)
    fieller = fieller_at(
        effect[rows], se[rows], column("mean_control")[rows], column("se_control")[rows],
        *(np.where(is_own, far, np.nan)[rows] for far in reach),
        cov_effect_control=column("cov_effect_control")[rows], alternative=alternative[rows],
    )  # fmt: skip
    lift_low[rows], lift_high[rows] = fieller.ci_low, fieller.ci_high
    always_low, always_high, _ = interval(always)
    is_monitored = method[row] != ""
    fraction = units / planned[row]
    crossed = chosen.crossed[row, look]
    first = day[order][starts[row] + np.maximum(chosen.first[row], 0)]
    first_day = days.to_numpy(dtype="datetime64[us]")[first]

    def flags(values: BoolArray, known: BoolArray) -> NDArray[np.object_]:
        result = values.astype(object)
        result[~known] = None
        return result

    found = {
        "sequential_method": np.where(is_monitored, method[row].astype(object), None),
        "information_fraction": np.where(is_monitored, np.minimum(fraction, 1.0), np.nan),
        "is_over_planned": flags(fraction > 1.0, is_monitored & ~np.isnan(fraction)),
        "sequential_statistic": np.where(is_monitored, z, np.nan),
        "sequential_boundary": chosen.boundary[row, look],
        "sequential_p_value": np.where(standing & is_monitored, _carried(chosen.p_value, tested, row, look), np.nan),
        "sequential_ci_low": low,
        "sequential_ci_high": high,
        "sequential_lift_ci_low": lift_low,
        "sequential_lift_ci_high": lift_high,
        "is_crossed": flags(crossed, is_monitored),
        "first_crossed_on": np.where(crossed, first_day, np.datetime64("NaT", "us")),
        "always_valid_p_value": np.where(standing, _carried(always.p_value, tested, row, look), np.nan),
        "always_valid_ci_low": always_low,
        "always_valid_ci_high": always_high,
    }
    back = np.argsort(order)
    return headlines.having(**{name: values[back] for name, values in found.items()})


def _carried(p_value: FloatArray, tested: BoolArray, row: IntArray, look: IntArray) -> FloatArray:
    """Return each look's p-value, at looks without a test the one of the last that had one, 1 before the first."""
    last = np.maximum.accumulate(np.where(tested, np.arange(tested.size), -1))
    starts = np.flatnonzero(np.diff(row, prepend=-1))
    # A look of an earlier comparison is none of this one's.
    known = last >= starts[row]
    return np.where(known, p_value[row, look[np.where(known, last, 0)]], 1.0)


def _fill(into: _Reading, reading: _Reading, rows: IntArray, *, taken: bool = False) -> None:
    """Write a reading into some rows of another one; ``taken`` says that it holds these rows only."""
    for target, values in zip(into, reading, strict=True):
        target[rows] = values if taken else values[rows]


def _normal_statistic(
    statistic: FloatArray, p: FloatArray, effect: FloatArray, df: FloatArray, alternative: NDArray[np.str_]
) -> FloatArray:
    """Z with the p-value of the test; a test without a statistic (an exact one) has only its p-value."""
    with np.errstate(all="ignore"):
        from_p = -ndtri(np.where(alternative == "two_sided", p / 2.0, p))
    signed = np.where(alternative == "two_sided", np.copysign(from_p, effect), from_p)
    return np.where(np.isnan(statistic), np.where(alternative == "less", -signed, signed), z_of_t(statistic, df))


def _mixture(data: _Looks) -> FloatArray:
    """Rho of the always-valid intervals; a one-sided one cannot be tuned for a level of a half or more."""
    return asymptotic_cs_rho(data.target, alpha=np.minimum(data.alpha, 0.4), alternative=data.alternative)


def _always_valid(data: _Looks) -> _Reading:
    """Asymptotic confidence sequence."""
    plan = {"alpha": data.alpha, "alternative": data.alternative}
    return _read(data, asymptotic_cs(data.z, np.ones_like(data.z), data.units, rho=_mixture(data), **plan))


def _msprt(data: _Looks, planned_effect: FloatArray) -> _Reading:
    """Mixture sequential probability ratio test with the planned effect as spread of the prior."""
    with np.errstate(all="ignore"):
        tau = planned_effect / data.se
        # A metric without a planned effect, or a relative one of nothing, has the prior of the confidence sequence.
        tau = np.where((tau > 0.0) & (tau < np.inf), tau, _mixture(data) * np.sqrt(data.units))
    tau = np.where(tau > 0.0, tau, np.nan)
    return _read(data, msprt(data.z, np.ones_like(data.z), tau=tau, alpha=data.alpha, alternative=data.alternative))


def _read(data: _Looks, result: AlwaysValid) -> _Reading:
    boundary = np.where(data.alternative == "less", result.ci_high - data.z, data.z - result.ci_low)
    crossed = result.p_value <= data.alpha
    source = np.broadcast_to(np.arange(data.z.shape[1]), data.z.shape)
    return _Reading(result.p_value, boundary, source, crossed, np.where(crossed[:, -1], crossed.argmax(axis=1), -1))


def _information(data: _Looks) -> FloatArray:
    """Inverse variances that grow from look to look; NaN where there is no test."""
    with np.errstate(all="ignore"):
        own = np.where(np.isnan(data.z), np.nan, data.se**-2.0)
    information = np.full(own.shape, np.nan)
    last, last_units = np.zeros(own.shape[0]), np.ones(own.shape[0])
    for look in range(own.shape[1]):
        now, units = own[:, look], data.units[:, look]
        tested = ~np.isnan(now)
        now = np.where(now > last, now, last * (units / last_units))
        information[tested, look] = now[tested]
        last, last_units = np.where(tested, now, last), np.where(tested, units, last_units)
    return information


def _group_sequential(data: _Looks, spending: NDArray[np.str_], parameter: FloatArray, planned: FloatArray) -> _Reading:
    """Boundaries by alpha spending."""
    result = repeated_looks(
        data.z, np.ones_like(data.z), _information(data), spending_time=data.units / planned[:, None],
        alpha=data.alpha[:, 0], alternative=data.alternative[:, 0], spending=spending, parameter=parameter,
    )  # fmt: skip
    looks = np.arange(data.z.shape[1])
    own = np.isfinite(result.z_boundary) & ~result.after_end
    latest = np.maximum.accumulate(np.where(own, looks, 0), axis=1)
    source = np.where(result.after_end & ~np.isnan(data.z), latest, looks)
    return _Reading(result.sequential_p_value, result.z_boundary, source, result.crossed, result.first_crossed)


def _widened_lift(
    lift: FloatArray, mean_control: FloatArray, limits: tuple[FloatArray, FloatArray], widening: list[FloatArray]
) -> tuple[FloatArray, FloatArray]:
    """Widen the interval of the lift by as much as that of the effect, on the logarithm of treatment over control."""
    # The lift is the effect over the absolute control mean: the ratio is 1 - lift where that mean is negative.
    sign = np.where(mean_control < 0.0, -1.0, 1.0)
    result = []
    for limit, wider in zip(limits, widening, strict=True):
        with np.errstate(all="ignore"):
            ratio, edge = np.log1p(sign * lift), np.log1p(sign * limit)
            wide = sign * np.expm1(ratio + (edge - ratio) * wider)
            linear = lift + (limit - lift) * wider
            on_log = np.isfinite(ratio) & np.isfinite(edge)
            wide = np.where(on_log, wide, linear)
        # A limit that was open stays open.
        result.append(np.where(np.isfinite(wider), np.where(np.isinf(limit), limit, wide), np.nan))
    return result[0], result[1]
