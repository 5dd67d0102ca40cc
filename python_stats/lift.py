"""Relative lift: the effect as a fraction of the raw control mean.

Every function takes the effect with its standard error and, separately, the raw mean of control with its own, because
the effect need not be the difference of the raw means (CUPED adjusts the effect; dividing it by an *adjusted* control
mean would be wrong). For two plain arms the effect is ``mean_treatment - mean_control``, its variance the sum of the
variances of both means, and the covariance of the effect with the control mean is minus the variance of the control
mean, which is the default of ``cov_effect_control``. For an adjusted effect pass minus the covariance of the units'
adjusted and raw values in control, divided by the units in control; the default would be too far from zero.

The lift is ``effect / |mean_control|``. With a negative control mean the textbook ``treatment / control - 1`` would
call an improvement a loss; dividing by the absolute value keeps the sign of the lift equal to the sign of the effect,
and for a positive control mean both are the same number.

A lift has no p-value of its own here: the pre-specified test of the effect decides.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from python_stats.t_quantile import t_quantile
from python_stats.wald import check_alpha, check_alternative, tail_alpha

# Standard errors between the control mean and zero below which the log scale gives way to Fieller's set. At 5, the
# limits of both differ by a tenth of the interval's width.
CLEAR_OF_ZERO = 5.0

LIFT_METHODS = ("log_delta", "fieller")


class Lift(NamedTuple):
    """Relative lift, one element per cell.

    Attributes
    ----------
    lift : ndarray
        Effect divided by the absolute raw control mean, a fraction; NaN where that mean is zero, missing or infinite.
    se : ndarray
        Standard error of the lift by the linear delta method, whatever the interval is made of.
    ci_low, ci_high : ndarray
        Limits of the ``1 - alpha`` interval, fractions; infinite on the open side of a one-sided alternative.
    method : ndarray of str
        What the limits are: ``log_delta``, ``linear_delta``, ``fieller``, ``fieller_exclusive``, ``fieller_unbounded``,
        or ``undefined`` where there are none: a mean or a standard error is missing or infinite, the control mean or
        the effect's standard error is zero, or the lift is exactly -1 because no unit of treatment did anything. That
        arm has no variance then, the delta method has a standard error of zero, and there is no logarithm.
    """

    lift: NDArray[np.float64]
    se: NDArray[np.float64]
    ci_low: NDArray[np.float64]
    ci_high: NDArray[np.float64]
    method: NDArray[np.str_]


class _Parts(NamedTuple):
    """The inputs on a common shape, turned so that the base is positive."""

    effect: NDArray[np.float64]
    var_effect: NDArray[np.float64]
    base: NDArray[np.float64]
    var_base: NDArray[np.float64]
    cov: NDArray[np.float64]
    negative: NDArray[np.bool_]
    quantile: NDArray[np.float64]
    side: NDArray[np.str_]


def linear_delta_lift(
    effect: npt.ArrayLike,
    se: npt.ArrayLike,
    mean_control: npt.ArrayLike,
    se_control: npt.ArrayLike,
    *,
    cov_effect_control: npt.ArrayLike | None = None,
    df: npt.ArrayLike = np.inf,
    alpha: npt.ArrayLike = 0.05,
    alternative: npt.ArrayLike = "two_sided",
) -> Lift:
    """Lift with a symmetric interval by the delta method on the lift itself.

    The variance is ``(var_effect - 2 * lift * cov + lift ** 2 * var_control) / mean_control ** 2``. This is the
    interval GrowthBook prints; it is symmetric and can fall below -100 %.

    Parameters
    ----------
    effect, se : array_like
        Effect (treatment minus control, possibly adjusted) and its standard error, in the metric's unit.
    mean_control, se_control : array_like
        Raw mean of control and its standard error.
    cov_effect_control : array_like, optional
        Covariance of the effect with the raw control mean. Default: ``-se_control ** 2``, two independent arms.
    df : array_like, default inf
        Degrees of freedom; infinite means the normal distribution.
    alpha, alternative : array_like
        As in `python_stats.wald`.

    Returns
    -------
    Lift
        Arrays of the common shape. The lift is NaN where the control mean is zero or missing; the standard error and
        limits are NaN also where a standard error is missing or the one of the effect is zero.

    Raises
    ------
    AlphaError, UnknownAlternativeError
        For wrong arguments; both are ValueErrors.

    References
    ----------
    Kohavi, R., Longbotham, R., Sommerfield, D. and Henne, R. (2009). Controlled experiments on the web. Data Mining and
    Knowledge Discovery 18, 140-181, section 3.3.2.

    Examples
    --------
    >>> result = linear_delta_lift(0.5, 0.2, 10.0, 0.14)
    >>> [round(float(x), 6) for x in result[:4]]
    [0.05, 0.020496, 0.009828, 0.090172]
    """
    p = _parts(effect, se, mean_control, se_control, cov_effect_control, df, alpha, alternative)
    lift, spread = _lift_and_se(p)
    with np.errstate(all="ignore"):
        return _result(p, lift, spread, lift - p.quantile * spread, lift + p.quantile * spread, "linear_delta")


def log_delta_lift(
    effect: npt.ArrayLike,
    se: npt.ArrayLike,
    mean_control: npt.ArrayLike,
    se_control: npt.ArrayLike,
    *,
    cov_effect_control: npt.ArrayLike | None = None,
    df: npt.ArrayLike = np.inf,
    alpha: npt.ArrayLike = 0.05,
    alternative: npt.ArrayLike = "two_sided",
) -> Lift:
    """Lift with an interval built on the logarithm of the ratio of treatment to control.

    The limits are ``exp(log(ratio) -/+ z * se_log) - 1`` with ``ratio = 1 + lift``, so they never fall below -100 % and
    are not symmetric around the lift; for conversion rates this is Katz's interval, and the one tea-tasting prints. The
    treatment mean is taken as ``mean_control + effect``.

    The log scale exists only where both means have the same strict sign. Elsewhere the limits are those of
    `linear_delta_lift` and ``method`` says so. Where both means are negative, the interval is built on the ratio of
    their absolute values and turned, so that the lift keeps the sign of the effect.

    Parameters
    ----------
    effect, se : array_like
        Effect (treatment minus control, possibly adjusted) and its standard error, in the metric's unit.
    mean_control, se_control : array_like
        Raw mean of control and its standard error.
    cov_effect_control : array_like, optional
        Covariance of the effect with the raw control mean. Default: ``-se_control ** 2``, two independent arms.
    df : array_like, default inf
        Degrees of freedom; infinite means the normal distribution.
    alpha, alternative : array_like
        As in `python_stats.wald`.

    Returns
    -------
    Lift
        Arrays of the common shape; NaN as in `linear_delta_lift`.

    Raises
    ------
    AlphaError, UnknownAlternativeError
        For wrong arguments; both are ValueErrors.

    References
    ----------
    Katz, D., Baptista, J., Azen, S. P. and Pike, M. C. (1978). Obtaining confidence intervals for the risk ratio in
    cohort studies. Biometrics 34, 469-474.

    Examples
    --------
    >>> result = log_delta_lift(0.5, 0.2, 10.0, 0.14)
    >>> [round(float(x), 6) for x in result[:4]]
    [0.05, 0.020496, 0.010587, 0.09095]
    """
    p = _parts(effect, se, mean_control, se_control, cov_effect_control, df, alpha, alternative)
    lift, spread = _lift_and_se(p)
    with np.errstate(all="ignore"):
        # With a negative base the ratio of absolute values is 1 - lift, and both limits change places.
        turn = np.where(p.negative, -1.0, 1.0)
        ratio = 1.0 + turn * lift
        same_sign = ratio > 0.0
        # var(log(base + effect) - log(base)) by the delta method is the linear variance over the squared ratio: the
        # derivative of log(1 + lift) is 1 / (1 + lift).
        spread_log = np.where(same_sign, spread / ratio, np.nan)
        centre = np.log(np.where(same_sign, ratio, np.nan))
        below = np.expm1(centre - p.quantile * spread_log)
        above = np.expm1(centre + p.quantile * spread_log)
        low = np.where(p.negative, -above, below)
        high = np.where(p.negative, -below, above)
        low = np.where(same_sign, low, lift - p.quantile * spread)
        high = np.where(same_sign, high, lift + p.quantile * spread)
        return _result(p, lift, spread, low, high, np.where(same_sign, "log_delta", "linear_delta"))


def fieller_lift(
    effect: npt.ArrayLike,
    se: npt.ArrayLike,
    mean_control: npt.ArrayLike,
    se_control: npt.ArrayLike,
    *,
    cov_effect_control: npt.ArrayLike | None = None,
    df: npt.ArrayLike = np.inf,
    alpha: npt.ArrayLike = 0.05,
    alternative: npt.ArrayLike = "two_sided",
) -> Lift:
    """Lift with Fieller's interval, exact when effect and control mean are jointly normal with known variances.

    The interval holds every lift L for which ``effect - L * |mean_control|`` is not significantly different from zero.
    It is bounded exactly where the control mean itself differs significantly from zero. Elsewhere the data cannot bound
    the lift; both limits are then infinite and ``method`` tells the shape of the set: ``fieller_exclusive`` where a gap
    in the middle is excluded, ``fieller_unbounded`` where nothing is.

    Parameters
    ----------
    effect, se : array_like
        Effect (treatment minus control, possibly adjusted) and its standard error, in the metric's unit.
    mean_control, se_control : array_like
        Raw mean of control and its standard error.
    cov_effect_control : array_like, optional
        Covariance of the effect with the raw control mean. Default: ``-se_control ** 2``, two independent arms.
    df : array_like, default inf
        Degrees of freedom; infinite means the normal distribution.
    alpha, alternative : array_like
        As in `python_stats.wald`; a one-sided limit is the limit of the two-sided interval at twice alpha.

    Returns
    -------
    Lift
        Arrays of the common shape; NaN as in `linear_delta_lift`.

    Raises
    ------
    AlphaError, UnknownAlternativeError
        For wrong arguments; both are ValueErrors.

    References
    ----------
    Fieller, E. C. (1954). Some problems in interval estimation. Journal of the Royal Statistical Society B 16, 175-185.

    Examples
    --------
    >>> result = fieller_lift(0.5, 0.2, 10.0, 0.14)
    >>> [round(float(x), 6) for x in result[:4]], str(result.method)
    ([0.05, 0.020496, 0.010597, 0.090986], 'fieller')
    >>> str(fieller_lift(0.5, 0.2, 0.1, 0.14).method)
    'fieller_exclusive'
    """
    p = _parts(effect, se, mean_control, se_control, cov_effect_control, df, alpha, alternative)
    return _fieller(p, p.quantile, p.quantile)


def fieller_at(
    effect: npt.ArrayLike,
    se: npt.ArrayLike,
    mean_control: npt.ArrayLike,
    se_control: npt.ArrayLike,
    below: npt.ArrayLike,
    above: npt.ArrayLike,
    *,
    cov_effect_control: npt.ArrayLike | None = None,
    alternative: npt.ArrayLike = "two_sided",
) -> Lift:
    """Lift with Fieller's set for a test that does not reach as far to one side as to the other.

    The set holds every lift L at which ``(effect - L * |mean_control|) / se(L)`` lies between ``-above`` and ``below``.

    Parameters
    ----------
    effect, se, mean_control, se_control, cov_effect_control, alternative
        As in `fieller_lift`.
    below, above : array_like
        How many standard errors the interval of the effect reaches below and above it.

    Returns
    -------
    Lift
        As from `fieller_lift`; two-sided, it is unbounded on both sides where one of them is.

    Raises
    ------
    UnknownAlternativeError
        For an unknown alternative.

    References
    ----------
    See `fieller_lift`.

    Examples
    --------
    >>> result = fieller_at(0.5, 0.2, 10.0, 0.14, 1.5, 3.0)
    >>> [round(float(x), 4) for x in (result.ci_low, result.ci_high)]
    [0.0197, 0.1134]
    """
    # The level plays no part: the reach is given.
    p = _parts(effect, se, mean_control, se_control, cov_effect_control, np.inf, 0.5, alternative)
    reach = [np.broadcast_to(np.asarray(x, dtype=np.float64), p.effect.shape) for x in (below, above)]
    return _fieller(p, reach[0], reach[1])


def _fieller(p: _Parts, below: NDArray[np.float64], above: NDArray[np.float64]) -> Lift:
    lift, spread = _lift_and_se(p)
    limits, bounded, shapes = [], [], []
    with np.errstate(all="ignore"):
        for reach, sign in ((below, -1.0), (above, 1.0)):
            # In units of the base: (1 - g) L^2 - 2 (lift - c) L + (lift^2 - v) <= 0.
            scale = (reach / p.base) ** 2
            leading = 1.0 - scale * p.var_base
            middle = lift - scale * p.cov
            # middle^2 - leading * (lift^2 - v), with the square of the lift cancelled by hand.
            variance = p.var_effect - 2.0 * lift * p.cov + lift**2 * p.var_base
            discriminant = scale * (variance + scale * (p.cov**2 - p.var_base * p.var_effect))
            root = np.sqrt(np.where(leading > 0.0, np.maximum(discriminant, 0.0), np.nan))
            # The reach's sign carries a one-sided alpha above one half over to the other root.
            limits.append((middle + sign * np.copysign(root, reach)) / leading)
            bounded.append(leading > 0.0)
            shapes.append(np.where(discriminant > 0.0, "fieller_exclusive", "fieller_unbounded"))
        # A one-sided alternative has the one limit that it asks for.
        needs = [p.side != "less", p.side != "greater"]
        is_bounded = (bounded[0] | ~needs[0]) & (bounded[1] | ~needs[1])
        low = np.where(is_bounded & needs[0], limits[0], -np.inf)
        high = np.where(is_bounded & needs[1], limits[1], np.inf)
        shape = np.where(is_bounded, "fieller", np.where(needs[0] & ~bounded[0], *shapes))
        missing = np.isnan(below + above)
        return _result(p, lift, spread, np.where(missing, np.nan, low), high, shape)


def lift_interval(
    effect: npt.ArrayLike,
    se: npt.ArrayLike,
    mean_control: npt.ArrayLike,
    se_control: npt.ArrayLike,
    *,
    cov_effect_control: npt.ArrayLike | None = None,
    df: npt.ArrayLike = np.inf,
    alpha: npt.ArrayLike = 0.05,
    alternative: npt.ArrayLike = "two_sided",
    method: str = "log_delta",
) -> Lift:
    """Lift with the interval that fits the cell: on the log scale where both means are clear of zero, else Fieller's.

    The log scale respects that a ratio of positive means is positive and right-skewed; near zero it does not exist or
    its linear expansion is wrong, and there Fieller's set is right: bounded, or infinite and said so. A mean is clear
    of zero when it is `CLEAR_OF_ZERO` standard errors away and treatment and control have the same sign.

    Parameters
    ----------
    effect, se, mean_control, se_control, cov_effect_control, df, alpha, alternative
        As in `log_delta_lift`.
    method : {"log_delta", "fieller"}, default "log_delta"
        ``fieller`` takes Fieller's set in every cell: it excludes zero exactly where the test of the effect (with the
        same standard error and reference) rejects, so the two scales never disagree.

    Returns
    -------
    Lift
        Arrays of the common shape; ``method`` says which interval each cell has.

    Raises
    ------
    ValueError
        For an unknown method, ``alpha`` or ``alternative``.

    Examples
    --------
    >>> lift_interval([0.5, 0.5], 0.2, [10.0, 0.1], 0.14).method.tolist()
    ['log_delta', 'fieller_exclusive']
    """
    if method not in LIFT_METHODS:
        raise ValueError(f"the lift's method must be one of {', '.join(LIFT_METHODS)}; found {method!r}")
    plan = {"df": df, "alpha": alpha, "alternative": alternative}
    if method == "fieller":
        return fieller_lift(effect, se, mean_control, se_control, cov_effect_control=cov_effect_control, **plan)
    log = log_delta_lift(effect, se, mean_control, se_control, cov_effect_control=cov_effect_control, **plan)
    shape = log.lift.shape
    with np.errstate(all="ignore"):
        distance = np.abs(np.asarray(mean_control, dtype=np.float64)) / np.asarray(se_control, dtype=np.float64)
    near = np.broadcast_to(distance < CLEAR_OF_ZERO, shape) | (log.method == "linear_delta")
    if not near.any():
        return log
    covariance = _covariance(se_control) if cov_effect_control is None else cov_effect_control
    cells = [np.broadcast_to(x, shape)[near] for x in (effect, se, mean_control, se_control, covariance)]
    plan = {name: np.broadcast_to(value, shape)[near] for name, value in plan.items()}
    fieller = fieller_lift(*cells[:4], cov_effect_control=cells[4], **plan)
    fields = []
    for own, other in zip(log, fieller, strict=True):
        field = np.array(own, dtype=np.promote_types(own.dtype, other.dtype))
        field[near] = other
        fields.append(field)
    return Lift(*fields)


def _parts(
    effect: npt.ArrayLike,
    se: npt.ArrayLike,
    mean_control: npt.ArrayLike,
    se_control: npt.ArrayLike,
    cov_effect_control: npt.ArrayLike | None,
    df: npt.ArrayLike,
    alpha: npt.ArrayLike,
    alternative: npt.ArrayLike,
) -> _Parts:
    """Broadcast, check and turn the inputs."""
    level, side = check_alpha(alpha), check_alternative(alternative)
    covariance = _covariance(se_control) if cov_effect_control is None else cov_effect_control
    numbers = [np.asarray(x, dtype=np.float64) for x in (effect, se, mean_control, se_control, covariance, df)]
    shape = np.broadcast_shapes(*(x.shape for x in numbers), level.shape, side.shape)
    effect_, se_, mean, se_mean, cov, df_ = (np.broadcast_to(x, shape) for x in numbers)
    with np.errstate(all="ignore"):
        negative = mean < 0.0
        return _Parts(
            effect=np.where(np.isfinite(effect_), effect_, np.nan),
            var_effect=_square(np.where(se_ > 0.0, se_, np.nan)),
            base=np.where((mean == 0.0) | np.isinf(mean), np.nan, np.abs(mean)),
            var_base=_square(np.where(se_mean >= 0.0, se_mean, np.nan)),
            cov=np.where(np.isinf(cov), np.nan, np.where(negative, -cov, cov)),
            negative=negative,
            quantile=t_quantile(df_, tail_alpha(level, side)),
            side=side,
        )


def _covariance(se_control: npt.ArrayLike) -> NDArray[np.float64]:
    """Covariance of the effect with the control mean where the arms are independent."""
    with np.errstate(over="ignore"):
        return -(np.asarray(se_control, dtype=np.float64) ** 2)


def _square(se: NDArray[np.float64]) -> NDArray[np.float64]:
    """Variance; NaN where it is infinite, given so or by overflow."""
    variance = se**2
    return np.where(np.isinf(variance), np.nan, variance)


def _lift_and_se(p: _Parts) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lift and its linear delta standard error."""
    with np.errstate(all="ignore"):
        lift = p.effect / p.base
        variance = p.var_effect - 2.0 * lift * p.cov + lift**2 * p.var_base
        return lift, np.sqrt(np.where((variance > 0.0) & np.isfinite(variance), variance, np.nan)) / p.base


def _result(
    p: _Parts,
    lift: NDArray[np.float64],
    se: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    method: npt.ArrayLike,
) -> Lift:
    """Open one side of one-sided intervals and mark what is missing."""
    missing = np.isnan(se) | np.isnan(p.quantile) | np.isnan(low) | np.isnan(high)
    return Lift(
        lift=lift,
        se=se,
        ci_low=np.where(missing, np.nan, np.where(p.side == "less", -np.inf, low)),
        ci_high=np.where(missing, np.nan, np.where(p.side == "greater", np.inf, high)),
        method=np.where(missing, "undefined", method),
    )
