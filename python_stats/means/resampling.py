"""Bootstrap intervals and permutation tests of means and ratios, from totals of hash buckets of units.

Units are hashed into a fixed number of buckets (a few hundred) within each arm, and a bucket's totals of numerator and
denominator are all that is needed: a mean is the ratio of a metric's total to the number of units, a capped mean that
of the capped metric's total, a ratio metric that of its two totals. Buckets are independent samples of units, so
resampling buckets instead of units costs nothing but the precision of a standard error that is estimated from as many
draws as there are buckets (a relative error of about ``1 / sqrt(2 * buckets)``).

The random weights are drawn once and serve all cells: a cell's result depends on its own totals and the seed alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtr

from python_stats.means.welch import variance_above_rounding
from python_stats.row_products import row_products
from python_stats.t_quantile import t_quantile
from python_stats.wald import check_alpha, check_alternative, tail_alpha

WEIGHTS = ("multinomial", "poisson")
METHODS = ("symmetric", "percentile", "studentized")

BLOCK_OF_CELLS = 64

# Statistics that are equal in exact arithmetic differ by rounding; within this distance they count as ties.
TIE = 1e-9


class Bootstrap(NamedTuple):
    """A bootstrapped comparison of treatment with control, one element per cell.

    Attributes
    ----------
    effect : ndarray
        Ratio of totals of the treatment minus that of the control, in the metric's unit.
    se : ndarray
        Standard deviation of the bootstrapped effects.
    p_value : ndarray
        p-value for the stated alternative, by inversion of the interval; never below ``1 / (draws + 1)``, or half of
        that where a symmetric test is one-sided.
    ci_low, ci_high : ndarray
        Limits of the interval; one of them is infinite for a one-sided alternative.
    lift, lift_ci_low, lift_ci_high : ndarray
        The same relative to the absolute value of the control's ratio, so that the sign is the effect's.
    df : ndarray
        Degrees of freedom, Welch-Satterthwaite's between buckets, that a symmetric interval is widened for; infinite
        for the other methods.
    """

    effect: NDArray[np.float64]
    se: NDArray[np.float64]
    p_value: NDArray[np.float64]
    ci_low: NDArray[np.float64]
    ci_high: NDArray[np.float64]
    lift: NDArray[np.float64]
    lift_ci_low: NDArray[np.float64]
    lift_ci_high: NDArray[np.float64]
    df: NDArray[np.float64]


class Permutation(NamedTuple):
    """A permutation test, one element per cell.

    Attributes
    ----------
    effect : ndarray
        Ratio of totals of the treatment minus that of the control, in the metric's unit.
    statistic : ndarray
        The effect divided by its standard error between buckets.
    p_value : ndarray
        Share of permutations, the observed one counted, with a statistic at least as extreme.
    """

    effect: NDArray[np.float64]
    statistic: NDArray[np.float64]
    p_value: NDArray[np.float64]


class _Arm(NamedTuple):
    """An arm's ratio and its variance, what the draws add to the ratio and their variances, shape (cells, draws)."""

    ratio: NDArray[np.float64]
    variance: NDArray[np.float64]
    filled: NDArray[np.float64]
    moved: NDArray[np.float64]
    variance_drawn: NDArray[np.float64] | None


def bootstrap_difference(
    totals_control: npt.ArrayLike,
    totals_treatment: npt.ArrayLike,
    *,
    method: str = "symmetric",
    weights: str = "multinomial",
    draws: int = 4999,
    alpha: npt.ArrayLike = 0.05,
    alternative: npt.ArrayLike = "two_sided",
    seed: int = 0,
) -> Bootstrap:
    """Bootstrap the difference of two ratios of totals (means, capped means, ratios) from bucket totals.

    ``"symmetric"`` takes as half-width the distance from the effect that the bootstrapped effects exceed with
    probability alpha, on either side together (Hall). The arm that happens to hold the largest values has the larger
    mean *and* draws that are skewed away from the other arm's; equal tails follow that skewness and exclude zero too
    easily, a symmetric interval does not. Two corrections for few buckets: each arm's draws are widened by
    ``sqrt(buckets / (buckets - 1))``, and the probability is that of a t distribution (Hesterberg's expanded limits).
    The limits of the lift are the lifts that the same test of ``treatment - (1 + lift) * control`` does not reject, so
    they exclude zero exactly when those of the effect do; they are order statistics of the drawn lifts and of their
    mirror images, in which both arms deviate as far in the other direction.

    ``"percentile"`` (equal tails) reads the limits off the bootstrapped effects. ``"studentized"`` (bootstrap-t) reads
    them off the bootstrapped t statistics, with delta-method standard errors between buckets, and so adapts to mild
    skewness. Neither is for heavy tails: two arms of 1,000 lognormal(2) units reject 7 % and 10 % at 5 % where the
    symmetric interval rejects 4.6 %; nor are they for lopsided splits, nor equal tails for fewer than 100 buckets.

    No method rescues a small arm beside a large one whose largest values are not in the sample yet. All limits are k-th
    smallest and k-th largest values with ``k = (draws + 1) * tail`` (both tails together when symmetric), so that the
    interval excludes zero exactly when the p-value is at most alpha.

    Parameters
    ----------
    totals_control, totals_treatment : array_like
        Totals of numerator and denominator per bucket, shape (cells, buckets, 2); for a mean the denominator is the
        number of units in the bucket. A bucket without units is a row of zeros. The arms may have different numbers of
        buckets; the leading axes broadcast.
    method : {"symmetric", "percentile", "studentized"}, default "symmetric"
        Kind of interval.
    weights : {"multinomial", "poisson"}, default "multinomial"
        Buckets are drawn with replacement, or each gets an independent Poisson(1) weight.
    draws : int, default 4999
        Number of bootstrap samples.
    alpha : array_like, default 0.05
        Significance level, one or one per cell.
    alternative : array_like of str, default "two_sided"
        ``"two_sided"``, ``"greater"`` or ``"less"``, one or one per cell.
    seed : int, default 0
        Seed of the weights.

    Returns
    -------
    Bootstrap
        Arrays of the cells' shape. Everything but the effect is NaN where an arm has fewer than two buckets with
        totals or neither arm varies; everything is NaN where a total is missing or an arm's denominators add up to
        zero. Limits are NaN where k is below 1, those of the lift also where the control's ratio is zero or changes
        sign among the draws that matter.

    Raises
    ------
    ValueError
        For an unknown method, weights or alternative, an alpha outside (0, 1), fewer than one draw, or totals whose
        last axis is not 2.

    References
    ----------
    Efron, B. and Tibshirani, R. J. (1993). An introduction to the bootstrap. Chapman & Hall, chapters 12 and 13.
    Hall, P. (1988). On symmetric bootstrap confidence intervals. Journal of the Royal Statistical Society B 50, 35-45.
    Hesterberg, T. C. (2015). What teachers should know about the bootstrap. American Statistician 69, 371-386, section
    5.3 (widening for few draws).
    Chamandy, N., Muralidharan, O., Najmi, A. and Naidu, S. (2012). Estimating uncertainty for massive data streams.
    Google technical report (the Poisson bootstrap).

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> units = np.full((1, 200), 50.0)
    >>> control = np.stack([rng.normal(100.0, 7.0, (1, 200)), units], axis=-1)
    >>> treatment = np.stack([rng.normal(105.0, 7.0, (1, 200)), units], axis=-1)
    >>> result = bootstrap_difference(control, treatment)
    >>> bool(result.ci_low[0] < 0.1 < result.ci_high[0]), bool(result.p_value[0] < 0.01)
    (True, True)
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}; found {method!r}")
    level, side = check_alpha(alpha), check_alternative(alternative)
    control, treatment, shape = _cells(totals_control, totals_treatment, level.shape, side.shape)
    tail = np.broadcast_to(tail_alpha(level, side), shape).ravel()
    side = np.broadcast_to(side, shape).ravel()
    rng = np.random.default_rng(seed)
    weights_control, weights_treatment = (
        _bootstrap_weights(rng, weights, draws, arm.shape[1]) for arm in (control, treatment)
    )
    numbers = np.full((9, len(control)), np.nan)
    for block in _blocks(len(control)):
        with np.errstate(all="ignore"):
            numbers[:, block] = _compare(
                _resample(control[block], weights_control, method),
                _resample(treatment[block], weights_treatment, method),
                method,
                tail[block],
                side[block],
            )
    return Bootstrap(*(part.reshape(shape) for part in numbers))


def permutation_test(
    totals_control: npt.ArrayLike,
    totals_treatment: npt.ArrayLike,
    *,
    draws: int = 4999,
    alternative: npt.ArrayLike = "two_sided",
    seed: int = 0,
) -> Permutation:
    """Test the difference of two ratios of totals by permuting buckets between the arms.

    The statistic is the difference divided by its delta-method standard error between buckets. So the test is exact
    when buckets are exchangeable under the null hypothesis, which they are when a bucket holds as many units, on
    average, in either arm (with an uneven split: buckets in proportion to the traffic); and it is right in large
    samples when they are not, or when the arms differ in spread, where a plain difference would not be.

    Parameters
    ----------
    totals_control, totals_treatment : array_like
        As in `bootstrap_difference`.
    draws : int, default 4999
        Number of random permutations.
    alternative : array_like of str, default "two_sided"
        ``"two_sided"`` (large absolute statistics), ``"greater"`` or ``"less"``, one or one per cell.
    seed : int, default 0
        Seed of the permutations.

    Returns
    -------
    Permutation
        Arrays of the cells' shape; ``(1 + extreme) / (1 + draws)`` is never 0. Statistic and p-value are NaN where an
        arm has fewer than two buckets with totals or neither arm varies; everything is NaN where a total is missing or
        an arm's denominators add up to zero.

    Raises
    ------
    ValueError
        For an unknown alternative, fewer than one draw, or totals whose last axis is not 2.

    References
    ----------
    Chung, E. and Romano, J. P. (2013). Exact and asymptotically robust permutation tests. Annals of Statistics 41,
    484-507.
    Phipson, B. and Smyth, G. K. (2010). Permutation p-values should never be zero. Statistical Applications in Genetics
    and Molecular Biology 9, 39.

    Examples
    --------
    >>> control = [[0.0, 10.0], [1.0, 10.0], [2.0, 10.0], [3.0, 10.0]]
    >>> treatment = [[20.0, 10.0], [21.0, 10.0], [22.0, 10.0], [24.0, 10.0]]
    >>> result = permutation_test(control, treatment)
    >>> float(result.effect), bool(abs(result.p_value - 2 / 70) < 0.01)
    (2.025, True)
    """
    side = check_alternative(alternative)
    control, treatment, shape = _cells(totals_control, totals_treatment, side.shape)
    side = np.broadcast_to(side, shape).ravel()
    _check_draws(draws)
    buckets = control.shape[1] + treatment.shape[1]
    order = np.random.default_rng(seed).random((draws, buckets)).argsort(axis=1)
    treated = (order < treatment.shape[1]).astype(np.float64)
    observed = np.repeat([0.0, 1.0], [control.shape[1], treatment.shape[1]])
    effect, statistic, p_value = np.full((3, len(control)), np.nan)
    for block in _blocks(len(control)):
        with np.errstate(all="ignore"):
            pooled = np.concatenate([control[block], treatment[block]], axis=1)
            effect[block] = _ratio(treatment[block]) - _ratio(control[block])
            statistic[block] = _permute(pooled, observed[None, :])[:, 0]
            drawn, seen = _permute(pooled, treated), statistic[block]
            signed = np.where(side[block] == "less", -1.0, 1.0)
            two_sided = side[block] == "two_sided"
            drawn = np.where(two_sided[:, None], np.abs(drawn), signed[:, None] * drawn)
            seen = np.where(two_sided, np.abs(seen), signed * seen)
            # A permutation without spread has an infinite or no statistic; both count as extreme.
            extreme = (~(drawn < (seen - TIE * np.abs(seen))[:, None])).sum(axis=1)
            usable = _usable(control[block]) & _usable(treatment[block]) & np.isfinite(seen)
            statistic[block] = np.where(usable, statistic[block], np.nan)
            p_value[block] = np.where(usable, (1.0 + extreme) / (1.0 + draws), np.nan)
    return Permutation(*(part.reshape(shape) for part in (effect, statistic, p_value)))


def _check_draws(draws: int) -> None:
    if draws < 1:
        raise ValueError(f"draws must be at least 1; found {draws}")


def _cells(
    totals_control: npt.ArrayLike, totals_treatment: npt.ArrayLike, *shapes: tuple[int, ...]
) -> tuple[NDArray[np.float64], NDArray[np.float64], tuple[int, ...]]:
    """Both arms' totals with all leading axes flattened to one, and the shape of the result."""
    control, treatment = (np.asarray(totals, dtype=np.float64) for totals in (totals_control, totals_treatment))
    for totals in (control, treatment):
        if totals.ndim < 2 or totals.shape[-1] != 2:
            raise ValueError(f"totals must have the shape (..., buckets, 2); found {totals.shape}")
    shape = np.broadcast_shapes(control.shape[:-2], treatment.shape[:-2], *shapes)
    control, treatment = (
        np.broadcast_to(totals, (*shape, *totals.shape[-2:])).reshape(int(np.prod(shape)), *totals.shape[-2:])
        for totals in (control, treatment)
    )
    return control, treatment, shape


def _blocks(cells: int) -> Iterator[slice]:
    """Slices of cells that bound the memory of the draws."""
    for start in range(0, cells, BLOCK_OF_CELLS):
        yield slice(start, start + BLOCK_OF_CELLS)


def _bootstrap_weights(rng: np.random.Generator, weights: str, draws: int, buckets: int) -> NDArray[np.float64]:
    if weights not in WEIGHTS:
        raise ValueError(f"weights must be one of {', '.join(WEIGHTS)}; found {weights!r}")
    _check_draws(draws)
    if weights == "poisson" or buckets == 0:
        return rng.poisson(1.0, (draws, buckets)).astype(np.float64)
    return rng.multinomial(buckets, np.full(buckets, 1.0 / buckets), size=draws).astype(np.float64)


def _ratio(totals: NDArray[np.float64]) -> NDArray[np.float64]:
    numerator, denominator = totals.sum(axis=1).T
    return numerator / np.where(denominator == 0.0, np.nan, denominator)


def _filled(totals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Count the buckets that hold anything; NaN when fewer than two do."""
    count = (totals != 0.0).any(axis=2).sum(axis=1)
    return np.where(count >= 2, count, np.nan)


def _usable(totals: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.isfinite(_filled(totals)) & np.isfinite(_ratio(totals))


def _resample(totals: NDArray[np.float64], weights: NDArray[np.float64], method: str) -> _Arm:
    """Compute an arm's ratio and its delta-method variance between buckets, observed and in every draw."""
    ratio = _ratio(totals)
    denominator = totals[:, :, 1]
    # Deviations from the arm's own ratio keep the digits that a ratio far from zero would cost the squares.
    residual = totals[:, :, 0] - ratio[:, None] * denominator
    filled = _filled(totals)
    correction = filled / (filled - 1.0)
    variance = correction * (residual**2).sum(axis=1) / denominator.sum(axis=1) ** 2
    variance = variance_above_rounding(variance * filled, ratio) / filled
    moved, base = _weighted_ratio(weights, residual, denominator)
    spread = None
    if method == "studentized":
        spread = correction[:, None] * _weighted_variance(weights, residual, denominator, moved, base)
    elif method == "symmetric":
        moved *= np.sqrt(correction)[:, None]
    return _Arm(ratio, variance, filled, moved, spread)


def _weighted_ratio(
    weights: NDArray[np.float64], residual: NDArray[np.float64], denominator: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ratio of weighted totals of residual and denominator, and the latter, shapes (cells, draws)."""
    base = row_products(denominator, weights)
    base = np.where(base == 0.0, np.nan, base)
    return row_products(residual, weights) / base, base


def _weighted_variance(
    weights: NDArray[np.float64],
    residual: NDArray[np.float64],
    denominator: NDArray[np.float64],
    moved: NDArray[np.float64],
    base: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Delta-method variance of the weighted ratio between buckets, with the divisor n, shape (cells, draws)."""
    square = row_products(residual**2, weights) - 2.0 * moved * row_products(residual * denominator, weights)
    square += moved**2 * row_products(denominator**2, weights)
    return np.maximum(square, 0.0) / base**2


def _compare(
    control: _Arm, treatment: _Arm, method: str, tail: NDArray[np.float64], side: NDArray[np.str_]
) -> tuple[NDArray[np.float64], ...]:
    effect = treatment.ratio - control.ratio
    moved = treatment.moved - control.moved
    variance = control.variance + treatment.variance
    usable = variance > 0.0
    base = np.where(control.ratio == 0.0, np.nan, np.abs(control.ratio))
    drawn, base_drawn = effect[:, None] + moved, _same_sign(control, 1.0)
    df = np.full(effect.shape, np.inf)
    if method == "symmetric":
        parts = control.variance**2 / (control.filled - 1.0) + treatment.variance**2 / (treatment.filled - 1.0)
        df = variance**2 / parts
        both = 2.0 * ndtr(-t_quantile(df, tail))
        p_value = _symmetric_p_value(effect, moved, df, side)
        half = _extremes(np.abs(moved), both)[1]
        low, high = _sided(effect - half, effect + half, side)
        lifts = drawn / base_drawn, (effect[:, None] - moved) / _same_sign(control, -1.0)
        lift_low, _ = _extremes(np.minimum(*lifts), both)
        _, lift_high = _extremes(np.maximum(*lifts), both)
        lift_low, lift_high = _sided(lift_low, lift_high, side)
    elif control.variance_drawn is None or treatment.variance_drawn is None:
        low, high, p_value = _percentile(drawn, tail, side)
        lift_low, lift_high, _ = _percentile(drawn / base_drawn, tail, side)
    else:
        variance_drawn = control.variance_drawn + treatment.variance_drawn
        low, high, p_value = _studentized(effect, variance, drawn, variance_drawn, tail, side)
        variance = (treatment.variance + (treatment.ratio / base) ** 2 * control.variance) / base**2
        slope = (treatment.ratio[:, None] + treatment.moved) / base_drawn
        variance_drawn = (treatment.variance_drawn + slope**2 * control.variance_drawn) / base_drawn**2
        lift_low, lift_high, _ = _studentized(effect / base, variance, drawn / base_drawn, variance_drawn, tail, side)
    se = np.where(np.isnan(moved), 0.0, moved).std(axis=1)
    parts = (se, p_value, low, high, lift_low, lift_high, df)
    se, p_value, low, high, lift_low, lift_high, df = (np.where(usable, part, np.nan) for part in parts)
    return effect, se, p_value, low, high, effect / base, lift_low, lift_high, df


def _same_sign(control: _Arm, direction: float) -> NDArray[np.float64]:
    """Absolute ratio of the control in every draw, or in its mirror image; NaN where it changes sign."""
    base = control.ratio[:, None] + direction * control.moved
    return np.where(base * control.ratio[:, None] > 0.0, np.abs(base), np.nan)


def _symmetric_p_value(
    effect: NDArray[np.float64], moved: NDArray[np.float64], df: NDArray[np.float64], side: NDArray[np.str_]
) -> NDArray[np.float64]:
    """Share of draws at least as far from the effect as zero is, by way of the normal to the t distribution."""
    as_far = ~(np.abs(moved) < np.abs(effect)[:, None])
    share = (1.0 + as_far.sum(axis=1)) / (1.0 + moved.shape[1])
    tail = stdtr(df, ndtri(share / 2.0))
    with_it = (effect > 0.0) == (side == "greater")
    return np.where(side == "two_sided", 2.0 * tail, np.where(with_it, tail, 1.0 - tail))


def _percentile(
    drawn: NDArray[np.float64], tail: NDArray[np.float64], side: NDArray[np.str_]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    low, high = _extremes(drawn, tail)
    return *_sided(low, high, side), _p_value(~(drawn > 0.0), ~(drawn < 0.0), side)


def _studentized(
    estimate: NDArray[np.float64],
    variance: NDArray[np.float64],
    drawn: NDArray[np.float64],
    variance_drawn: NDArray[np.float64],
    tail: NDArray[np.float64],
    side: NDArray[np.str_],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    se = np.sqrt(variance)
    pivot = (drawn - estimate[:, None]) / np.sqrt(np.where(variance_drawn > 0.0, variance_drawn, np.nan))
    smallest, largest = _extremes(pivot, tail)
    seen = (estimate / se)[:, None]
    p_value = _p_value(~(pivot < seen), ~(pivot > seen), side)
    return *_sided(estimate - largest * se, estimate - smallest * se, side), p_value


def _p_value(
    against_greater: NDArray[np.bool_], against_less: NDArray[np.bool_], side: NDArray[np.str_]
) -> NDArray[np.float64]:
    """Shares of draws that speak against an effect; a draw without a value speaks against both."""
    greater, less = (
        (1.0 + against.sum(axis=1)) / (1.0 + against.shape[1]) for against in (against_greater, against_less)
    )
    both = np.minimum(1.0, 2.0 * np.minimum(greater, less))
    return np.where(side == "greater", greater, np.where(side == "less", less, both))


def _sided(
    low: NDArray[np.float64], high: NDArray[np.float64], side: NDArray[np.str_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    open_low, open_high = (side == "less") & ~np.isnan(high), (side == "greater") & ~np.isnan(low)
    return np.where(open_low, -np.inf, low), np.where(open_high, np.inf, high)


def _extremes(drawn: NDArray[np.float64], tail: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the k-th smallest and largest draw; draws without a value lie beyond both ends, and give NaN."""
    draws = drawn.shape[1]
    # (draws + 1) * tail is a whole number more often than floating point says.
    k = np.floor((draws + 1.0) * tail * (1.0 + 1e-12)).astype(np.int64)
    ordered = np.sort(drawn, axis=1)
    missing = np.isnan(drawn).sum(axis=1)
    positions = k - 1 - missing, draws - k
    low, high = (np.take_along_axis(ordered, np.clip(at, 0, draws - 1)[:, None], axis=1)[:, 0] for at in positions)
    return np.where((k >= 1) & (k > missing), low, np.nan), np.where(k >= 1, high, np.nan)


def _permute(pooled: NDArray[np.float64], treated: NDArray[np.float64]) -> NDArray[np.float64]:
    """Studentised difference for every row of labels, shape (cells, draws)."""
    ratio = _ratio(pooled)
    denominator = pooled[:, :, 1]
    residual = pooled[:, :, 0] - ratio[:, None] * denominator
    centres, variances = [], []
    for label in (1.0 - treated, treated):
        moved, base = _weighted_ratio(label, residual, denominator)
        members = label.sum(axis=1)
        centres.append(moved)
        spread = _weighted_variance(label, residual, denominator, moved, base)
        variances.append(spread * members / (members - 1.0))
    buckets = pooled.shape[1]
    variance = variance_above_rounding((variances[0] + variances[1]) * buckets, ratio[:, None]) / buckets
    return (centres[1] - centres[0]) / np.sqrt(np.where(variance > 0.0, variance, np.nan))
