"""Quantiles and their differences from the order statistics around them.

A quantile needs only a window of the sorted values: every function here takes, per cell, the size ``n``, the
probability ``q``, the rank of the first value in the window and a row of sorted values (padded at its end with NaN).
`order_statistic_window` says which ranks to fetch. Where a limit would fall outside the window, or where both limits
sit on the same tied value, the answer is refused: NaN and ``undefined`` set.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray
from scipy.special import bdtrik, betainc, betaincc, ndtr, ndtri

from python_stats.wald import check_alpha, check_alternative, tail_alpha, wald

DEFINITIONS = (1, 2, 6, 7, 8)

# A Fibonacci lattice is the two-dimensional sample of least discrepancy for its size; this size is the one below
# 100 000 whose half-step shift is symmetric both under exchange of the arms and under reflection of the values.
LATTICE_POINTS = 6765
LATTICE_GENERATOR = 4181

BLOCK_OF_CELLS = 128


class QuantileArgumentError(ValueError):
    """A probability outside (0, 1), an unknown definition, or a window width that is not positive."""


class RankWindow(NamedTuple):
    """Ranks (1 is the smallest value) of the order statistics that a cell needs, both ends included."""

    first_rank: NDArray[np.int64]
    last_rank: NDArray[np.int64]


class QuantileInterval(NamedTuple):
    """A quantile of one arm, one element per cell.

    Attributes
    ----------
    estimate : ndarray
        Sample quantile.
    se : ndarray
        Standard error from the spacing of the order statistics.
    rank_low, rank_high : ndarray
        Ranks of the limits, before asking whether they exist: 0 and n + 1 mean that they do not.
    ci_low, ci_high : ndarray
        Values at those ranks; NaN when ``undefined``.
    coverage : ndarray
        Probability that the interval between the two ranks holds the quantile of a continuous distribution: exact for
        independent values, normal for clustered ones; NaN where no rank can be computed.
    undefined : ndarray of bool
        True where a limit does not exist in the window or both limits are the same value.
    """

    estimate: NDArray[np.float64]
    se: NDArray[np.float64]
    rank_low: NDArray[np.float64]
    rank_high: NDArray[np.float64]
    ci_low: NDArray[np.float64]
    ci_high: NDArray[np.float64]
    coverage: NDArray[np.float64]
    undefined: NDArray[np.bool_]


class QuantileComparison(NamedTuple):
    """A difference between two arms' quantiles, one element per cell.

    Attributes
    ----------
    effect : ndarray
        Sample quantile of the treatment minus that of the control.
    se : ndarray
        Standard error of the effect.
    p_value : ndarray
        p-value for the stated alternative.
    ci_low, ci_high : ndarray
        Limits of the interval; one of them is infinite for a one-sided alternative.
    lift, lift_ci_low, lift_ci_high : ndarray
        The same relative to the absolute value of the control's quantile, so that the sign is the effect's.
    undefined : ndarray of bool
        True where the test and the intervals are refused; they and the standard error are NaN there, while the
        effect stays when both sample quantiles exist.
    """

    effect: NDArray[np.float64]
    se: NDArray[np.float64]
    p_value: NDArray[np.float64]
    ci_low: NDArray[np.float64]
    ci_high: NDArray[np.float64]
    lift: NDArray[np.float64]
    lift_ci_low: NDArray[np.float64]
    lift_ci_high: NDArray[np.float64]
    undefined: NDArray[np.bool_]


class _Windows(NamedTuple):
    """Cells flattened to one axis: sizes and windows whose unusable tails are NaN."""

    n: NDArray[np.float64]
    q: NDArray[np.float64]
    first_rank: NDArray[np.float64]
    values: NDArray[np.float64]
    size: NDArray[np.int64]


def order_statistic_window(
    n: npt.ArrayLike, q: npt.ArrayLike, width: float = 12.0, *, design_effect: npt.ArrayLike = 1.0
) -> RankWindow:
    """Ranks of the order statistics to fetch for a quantile, about ``width`` standard deviations of its rank.

    The ranks run from ``floor(n q - half)`` to ``ceil(n q + half) + 1`` with ``half = width / 2 * sqrt(design_effect *
    n q (1 - q) + 1)``, cut to 1 and n. The added 1 keeps the window wide enough where ``n q (1 - q)`` is small and the
    rank is Poisson rather than normal; at the default width less than 1e-7 of the rank's distribution lies outside.

    Parameters
    ----------
    n : array_like
        Number of values in the cell.
    q : array_like
        Probability of the quantile, in (0, 1).
    width : float, default 12
        Width of the window in standard deviations of the rank.
    design_effect : array_like, default 1
        Inflation of the variance of the share of values below the quantile, above 1 for clustered values.

    Returns
    -------
    RankWindow
        Integers; the empty window (1, 0) where n is missing or below 1.

    Raises
    ------
    QuantileArgumentError
        For q outside (0, 1) or a width that is not positive.

    References
    ----------
    Schultzberg, M. and Ankargren, S. (2022). Resampling-free bootstrap inference for quantiles. arXiv:2202.10992.

    Examples
    --------
    >>> window = order_statistic_window(1_000_000, 0.99)
    >>> int(window.first_rank), int(window.last_rank)
    (989402, 990599)
    """
    if not width > 0.0:
        raise QuantileArgumentError(f"width must be positive; found {width}")
    size, probability, inflation = np.broadcast_arrays(
        np.asarray(n, dtype=np.float64), _check_probability(q), np.asarray(design_effect, dtype=np.float64)
    )
    usable = np.isfinite(size) & (size >= 1.0) & np.isfinite(inflation)
    size = np.where(usable, size, 0.0)
    centre = size * probability
    half = width / 2.0 * np.sqrt(np.where(usable, inflation, 1.0) * centre * (1.0 - probability) + 1.0)
    first = np.maximum(np.floor(centre - half), 1.0)
    last = np.minimum(np.ceil(centre + half) + 1.0, size)
    return RankWindow(first.astype(np.int64), last.astype(np.int64))


def sample_quantile(
    n: npt.ArrayLike,
    q: npt.ArrayLike,
    first_rank: npt.ArrayLike,
    values: npt.ArrayLike,
    *,
    definition: int = 7,
) -> NDArray[np.float64]:
    """Sample quantile by one of the numbered definitions of Hyndman and Fan, from a window of order statistics.

    Definition 7 is SQL's ``quantile_cont`` / ``percentile_cont`` and NumPy's and R's default; 1 is ``quantile_disc`` /
    ``percentile_disc``; 2 averages at the jumps of 1; 6 is Weibull's, 8 the approximately median-unbiased one.
    Approximate quantiles (t-digest) are none of these.

    Parameters
    ----------
    n, q, first_rank : array_like
        Number of values in the cell, probability in (0, 1), rank of the first value of the window; they broadcast to
        the shape of the cells.
    values : array_like
        Sorted values, shape (cells, window), padded with NaN at the end of a row.
    definition : {1, 2, 6, 7, 8}, default 7
        Definition in the numbering of Hyndman and Fan, which is R's ``type``.

    Returns
    -------
    ndarray
        NaN where a value it needs is not in the window.

    Raises
    ------
    QuantileArgumentError
        For q outside (0, 1) or another definition.

    References
    ----------
    Hyndman, R. J. and Fan, Y. (1996). Sample quantiles in statistical packages. The American Statistician 50, 361-365.

    Examples
    --------
    >>> values = [1.0, 2.0, 4.0, 8.0, 16.0]
    >>> [round(float(sample_quantile(5, 0.4, 1, values, definition=d)), 6) for d in (1, 2, 6, 7)]
    [2.0, 3.0, 2.8, 3.2]
    """
    _check_definition(definition)
    windows, shape = _flatten(n, q, first_rank, values)
    return _estimate(windows, definition).reshape(shape)


def quantile_standard_error(
    n: npt.ArrayLike,
    q: npt.ArrayLike,
    first_rank: npt.ArrayLike,
    values: npt.ArrayLike,
    *,
    variance_below: npt.ArrayLike | None = None,
) -> NDArray[np.float64]:
    """Analytic standard error of a sample quantile from the spacing of the order statistics around it.

    With z = 1.96, the values (interpolated) at the ranks ``n q + 1/2 -/+ z n sqrt(variance_below)`` lie 2 z standard
    errors apart. That is Woodruff's interval read backwards, and needs no density estimate.

    Parameters
    ----------
    n, q, first_rank, values : array_like
        As in `sample_quantile`.
    variance_below : array_like, optional
        Variance of the share of values below the quantile; ``q (1 - q) / n`` (independent values) when absent. For
        events clustered in units pass the delta-method variance of the mean of the indicator.

    Returns
    -------
    ndarray
        NaN where one of the two ranks is outside the window; 0 where both lie on the same tied value.

    Raises
    ------
    QuantileArgumentError
        For q outside (0, 1).

    References
    ----------
    Deng, A., Knoblich, U. and Lu, J. (2018). Applying the delta method in metric analytics. KDD 2018, section 4.
    Woodruff, R. S. (1952). Confidence intervals for medians and other position measures. JASA 47, 635-646.

    Examples
    --------
    >>> round(float(quantile_standard_error(100, 0.5, 1, range(1, 101))), 6)
    5.0
    """
    windows, shape = _flatten(n, q, first_rank, values)
    return _spacing_error(windows, _variance_of_share(windows, variance_below, shape)).reshape(shape)


def quantile_interval(
    n: npt.ArrayLike,
    q: npt.ArrayLike,
    first_rank: npt.ArrayLike,
    values: npt.ArrayLike,
    *,
    alpha: npt.ArrayLike = 0.05,
    definition: int = 7,
) -> QuantileInterval:
    """Distribution-free interval of one quantile between two order statistics, by the exact binomial.

    The ranks are ``qbinom(alpha / 2, n, q)`` and ``qbinom(1 - alpha / 2, n, q) + 1`` (not the normal approximation
    ``n q -/+ z sqrt(n q (1 - q))``, whose ranks differ by one here and there). The interval is open at a side whose
    rank is 0 or n + 1, and is then refused, as it is when both order statistics are the same value.

    Parameters
    ----------
    n, q, first_rank, values : array_like
        As in `sample_quantile`.
    alpha : array_like, default 0.05
        One minus the confidence, one or one per cell.
    definition : {1, 2, 6, 7, 8}, default 7
        Definition of the estimate; the interval does not depend on it.

    Returns
    -------
    QuantileInterval
        Arrays of the cells' shape.

    Raises
    ------
    QuantileArgumentError, AlphaError
        For wrong arguments; both are ValueErrors.

    References
    ----------
    Conover, W. J. (1999). Practical nonparametric statistics, 3rd ed., section 3.2. Wiley.

    Examples
    --------
    >>> interval = quantile_interval(20, 0.5, 1, range(1, 21))
    >>> float(interval.ci_low), float(interval.ci_high), round(float(interval.coverage), 6)
    (6.0, 15.0, 0.958611)
    >>> bool(quantile_interval(20, 0.99, 1, range(1, 21)).undefined)
    True
    """
    _check_definition(definition)
    windows, shape = _flatten(n, q, first_rank, values, check_alpha(alpha))
    level = np.broadcast_to(check_alpha(alpha), shape).ravel()
    low, high = _exact_ranks(windows, level / 2.0)
    coverage = _binomial_cdf(high - 1.0, windows.n, windows.q) - _binomial_cdf(low - 1.0, windows.n, windows.q)
    se = _spacing_error(windows, _variance_of_share(windows, None, shape))
    return _interval(windows, shape, low, high, coverage, se, definition)


def clustered_quantile_interval(
    n: npt.ArrayLike,
    q: npt.ArrayLike,
    variance_below: npt.ArrayLike,
    first_rank: npt.ArrayLike,
    values: npt.ArrayLike,
    *,
    alpha: npt.ArrayLike = 0.05,
    definition: int = 7,
) -> QuantileInterval:
    """Interval of a quantile of events when the unit of randomisation holds many events: the outer interval.

    The share of events below the quantile is a ratio of unit totals, so its standard deviation ``s`` comes from the
    delta method; the limits are the order statistics at ``floor(n (q - z s))`` and ``ceil(n (q + z s)) + 1``, rounded
    outwards. With independent events (``variance_below = q (1 - q) / n``) these are the normal approximation to the
    ranks of `quantile_interval`. Fetch the window with its ``design_effect`` or the limits may lie outside it.

    Parameters
    ----------
    n : array_like
        Number of events in the cell.
    q, first_rank, values : array_like
        As in `sample_quantile`, over events.
    variance_below : array_like
        Cluster-robust variance of the mean over events of the indicator "value <= sample quantile".
    alpha : array_like, default 0.05
        One minus the confidence, one or one per cell.
    definition : {1, 2, 6, 7, 8}, default 7
        Definition of the estimate.

    Returns
    -------
    QuantileInterval
        Arrays of the cells' shape; ``coverage`` is the nominal normal one of the two ranks.

    Raises
    ------
    QuantileArgumentError, AlphaError
        For wrong arguments; both are ValueErrors.

    References
    ----------
    Deng, A., Knoblich, U. and Lu, J. (2018). Applying the delta method in metric analytics. KDD 2018, section 4.

    Examples
    --------
    >>> interval = clustered_quantile_interval(100, 0.5, 4 * 0.25 / 100, 1, range(1, 101))
    >>> float(interval.ci_low), float(interval.ci_high), round(float(interval.se), 6)
    (30.0, 71.0, 10.0)
    """
    _check_definition(definition)
    level = check_alpha(alpha)
    windows, shape = _flatten(n, q, first_rank, values, level, np.asarray(variance_below, dtype=np.float64))
    variance = _variance_of_share(windows, variance_below, shape)
    low, high = _outer_ranks(windows, variance, np.broadcast_to(level, shape).ravel() / 2.0)
    with np.errstate(all="ignore"):
        spread = np.where(variance > 0.0, np.sqrt(variance), np.nan)
        z_high, z_low = (((rank / windows.n) - windows.q) / spread for rank in (high - 1.0, low))
        coverage = ndtr(z_high) - ndtr(z_low)
    return _interval(windows, shape, low, high, coverage, _spacing_error(windows, variance), definition)


def quantile_difference(
    n_control: npt.ArrayLike,
    first_rank_control: npt.ArrayLike,
    values_control: npt.ArrayLike,
    n_treatment: npt.ArrayLike,
    first_rank_treatment: npt.ArrayLike,
    values_treatment: npt.ArrayLike,
    q: npt.ArrayLike,
    *,
    alpha: npt.ArrayLike = 0.05,
    alternative: npt.ArrayLike = "two_sided",
    definition: int = 7,
) -> QuantileComparison:
    """Difference of a quantile between two arms by the index bootstrap, from both windows of order statistics.

    The bootstrap distribution of an arm's sample quantile is the order statistic at a Binomial(n + 1, q) rank (the
    Poisson bootstrap; n + 1 rather than n makes it the same after a reflection of the values). So no resampling of
    values is needed, and little sampling of ranks either:

    * the standard error and the p-value are computed from the two exact distributions;
    * the percentile limits come from a fixed lattice of 6765 pairs of ranks instead of random ones. It needs no seed,
      a cell's result does not depend on the cells beside it, exchange of the arms changes the signs only, and the
      tail probabilities are as exact as those of some 100 000 random draws. Limits so extreme that alpha / 2 (or
      alpha, one-sided) is below 1 / 6765 are refused.

    The two-sided p-value is twice the smaller of the bootstrap probabilities of a difference <= 0 and >= 0. Whatever
    lies outside a window counts against significance, so p does not fall below what lies there (less than 1e-7 at the
    default width). The test and the intervals are refused, with ``undefined`` set, where the exact-binomial limits
    (`quantile_interval`) that the comparison rests on do not exist in an arm's window or are tied.

    Parameters
    ----------
    n_control, n_treatment : array_like
        Number of values per arm and cell.
    first_rank_control, first_rank_treatment : array_like
        Rank of the first value in each window.
    values_control, values_treatment : array_like
        Sorted values, shapes (cells, window of that arm), padded with NaN at the end of a row.
    q : array_like
        Probability of the quantile, in (0, 1).
    alpha : array_like, default 0.05
        Significance level, one or one per cell.
    alternative : array_like of str, default "two_sided"
        ``"two_sided"``, ``"greater"`` or ``"less"``, one or one per cell.
    definition : {1, 2, 6, 7, 8}, default 7
        Definition of the two sample quantiles whose difference is the effect.

    Returns
    -------
    QuantileComparison
        Arrays of the cells' shape. The lift is NaN where the control's quantile is zero, and its limits also where the
        control's window does not lie strictly on one side of zero.

    Raises
    ------
    QuantileArgumentError, AlphaError, UnknownAlternativeError
        For wrong arguments; all are ValueErrors.

    References
    ----------
    Schultzberg, M. and Ankargren, S. (2022). Resampling-free bootstrap inference for quantiles. arXiv:2202.10992.
    Maritz, J. S. and Jarrett, R. G. (1978). A note on estimating the variance of the sample median. JASA 73, 194-196.
    Niederreiter, H. (1992). Random number generation and quasi-Monte Carlo methods. SIAM, chapter 5 (lattices).

    Examples
    --------
    >>> control, treatment = range(1, 102), range(31, 132)
    >>> result = quantile_difference(101, 1, control, 101, 1, treatment, 0.5)
    >>> float(result.effect), round(float(result.se), 3), float(result.ci_low), float(result.ci_high)
    (30.0, 7.141, 16.0, 44.0)
    """
    _check_definition(definition)
    level, side = check_alpha(alpha), check_alternative(alternative)
    control, shape_control = _flatten(n_control, q, first_rank_control, values_control, level, side)
    treatment, shape_treatment = _flatten(n_treatment, q, first_rank_treatment, values_treatment, level, side)
    shape = np.broadcast_shapes(shape_control, shape_treatment)
    control, treatment = _expand(control, shape_control, shape), _expand(treatment, shape_treatment, shape)
    side = np.broadcast_to(side, shape).ravel()
    tail = np.broadcast_to(tail_alpha(level, side.reshape(shape)), shape).ravel()

    estimate_control, estimate_treatment = _estimate(control, definition), _estimate(treatment, definition)
    effect = estimate_treatment - estimate_control
    with np.errstate(all="ignore"):
        lift = effect / np.where(estimate_control != 0.0, np.abs(estimate_control), np.nan)
    numbers = np.full((6, effect.size), np.nan)
    for start in range(0, effect.size, BLOCK_OF_CELLS):
        block = slice(start, start + BLOCK_OF_CELLS)
        numbers[:, block] = _bootstrap(
            _Windows(*(part[block] for part in control)),
            _Windows(*(part[block] for part in treatment)),
            tail[block],
            side[block],
        )
    se, p_value, low, high, lift_low, lift_high = numbers
    undefined = (
        _refused(control, tail, side != "less", side != "greater")
        | _refused(treatment, tail, side != "greater", side != "less")
        | np.isnan(effect)
        | ~(low < high)
    )
    se, p_value, low, high, lift_low, lift_high = (
        np.where(undefined, np.nan, part) for part in (se, p_value, low, high, lift_low, lift_high)
    )
    parts = (effect, se, p_value, low, high, lift, lift_low, lift_high, undefined)
    return QuantileComparison(*(part.reshape(shape) for part in parts))


def clustered_quantile_difference(
    n_control: npt.ArrayLike,
    variance_below_control: npt.ArrayLike,
    first_rank_control: npt.ArrayLike,
    values_control: npt.ArrayLike,
    n_treatment: npt.ArrayLike,
    variance_below_treatment: npt.ArrayLike,
    first_rank_treatment: npt.ArrayLike,
    values_treatment: npt.ArrayLike,
    q: npt.ArrayLike,
    *,
    alpha: npt.ArrayLike = 0.05,
    alternative: npt.ArrayLike = "two_sided",
    definition: int = 7,
) -> QuantileComparison:
    """Difference of a quantile of clustered events between two arms, from spacings and a normal reference.

    The index bootstrap resamples values, so it holds for independent values only. Here each arm's standard error comes
    from `quantile_standard_error` with the cluster-robust variance of the share of events below the quantile, and the
    difference is tested by a normal reference. Refused where an arm's outer interval is.

    Parameters
    ----------
    n_control, n_treatment : array_like
        Number of events per arm and cell.
    variance_below_control, variance_below_treatment : array_like
        Cluster-robust (delta-method) variance of the mean of the indicator "value <= the arm's sample quantile".
    first_rank_control, first_rank_treatment, values_control, values_treatment, q : array_like
        As in `quantile_difference`, over events.
    alpha, alternative, definition
        As in `quantile_difference`.

    Returns
    -------
    QuantileComparison
        Arrays of the cells' shape. The lift's limits are NaN: take them from the two arms' quantiles and standard
        errors by the delta method on the log scale or Fieller's method.

    Raises
    ------
    QuantileArgumentError, AlphaError, UnknownAlternativeError
        For wrong arguments; all are ValueErrors.

    References
    ----------
    Deng, A., Knoblich, U. and Lu, J. (2018). Applying the delta method in metric analytics. KDD 2018, section 4.

    Examples
    --------
    >>> control, treatment = range(1, 101), range(31, 131)
    >>> result = clustered_quantile_difference(100, 0.005, 1, control, 100, 0.005, 1, treatment, 0.5)
    >>> float(result.effect), round(float(result.se), 6), round(float(result.p_value), 6)
    (30.0, 10.0, 0.0027)
    """
    arms = (
        (n_control, variance_below_control, first_rank_control, values_control),
        (n_treatment, variance_below_treatment, first_rank_treatment, values_treatment),
    )
    control, treatment = (
        clustered_quantile_interval(n, q, variance, first, values, alpha=alpha, definition=definition)
        for n, variance, first, values in arms
    )
    effect = treatment.estimate - control.estimate
    undefined = control.undefined | treatment.undefined | np.isnan(effect)
    with np.errstate(all="ignore"):
        lift = effect / np.where(control.estimate != 0.0, np.abs(control.estimate), np.nan)
        se = np.where(undefined, np.nan, np.hypot(control.se, treatment.se))
    result = wald(effect, se, alpha=alpha, alternative=alternative)
    shape = result.effect.shape
    missing = np.full(shape, np.nan)
    undefined = np.broadcast_to(undefined, shape) | np.isnan(result.p_value)
    return QuantileComparison(
        effect=result.effect,
        se=result.se,
        p_value=result.p_value,
        ci_low=result.ci_low,
        ci_high=result.ci_high,
        lift=np.broadcast_to(lift, shape).copy(),
        lift_ci_low=missing,
        lift_ci_high=missing.copy(),
        undefined=undefined,
    )


def _check_probability(q: npt.ArrayLike) -> NDArray[np.float64]:
    probability = np.asarray(q, dtype=np.float64)
    outside = ~((probability > 0.0) & (probability < 1.0))
    if np.any(outside):
        raise QuantileArgumentError(f"q must be strictly between 0 and 1; found {probability[outside].flat[0]}")
    return probability


def _check_definition(definition: int) -> None:
    if definition not in DEFINITIONS:
        raise QuantileArgumentError(f"definition must be one of {DEFINITIONS}; found {definition}")


def _flatten(
    n: npt.ArrayLike, q: npt.ArrayLike, first_rank: npt.ArrayLike, values: npt.ArrayLike, *others: NDArray[np.generic]
) -> tuple[_Windows, tuple[int, ...]]:
    """Broadcast the arguments to the cells' shape, flatten it, and blank windows that cannot be order statistics."""
    row = np.asarray(values, dtype=np.float64)
    if row.ndim == 0 or row.shape[-1] == 0:
        row = np.full((*row.shape[:-1], 1), np.nan)
    size, first, probability = np.asarray(n, np.float64), np.asarray(first_rank, np.float64), _check_probability(q)
    shape = np.broadcast_shapes(
        size.shape, first.shape, probability.shape, row.shape[:-1], *(other.shape for other in others)
    )
    size, first, probability = (np.broadcast_to(part, shape).ravel() for part in (size, first, probability))
    row = np.broadcast_to(row, (*shape, row.shape[-1])).reshape(-1, row.shape[-1])
    missing = ~np.isfinite(row)
    length = np.where(missing.any(axis=1), missing.argmax(axis=1), row.shape[1])
    with np.errstate(all="ignore"):
        unsorted = (np.diff(row, axis=1) < 0.0).any(axis=1)
        usable = np.isfinite(size) & (size >= 1.0) & (first >= 1.0) & (first + length - 1.0 <= size) & ~unsorted
    length = np.where(usable, length, 0)
    row = np.where(np.arange(row.shape[1]) < length[:, None], row, np.nan)
    return _Windows(np.where(usable, size, np.nan), probability, first, row, length), shape


def _expand(windows: _Windows, shape: tuple[int, ...], target: tuple[int, ...]) -> _Windows:
    if shape == target:
        return windows
    n, q, first, size = (
        np.broadcast_to(part.reshape(shape), target).ravel()
        for part in (windows.n, windows.q, windows.first_rank, windows.size)
    )
    width = windows.values.shape[1]
    values = np.broadcast_to(windows.values.reshape(*shape, width), (*target, width)).reshape(-1, width)
    return _Windows(n, q, first, values, size)


def _at_rank(windows: _Windows, rank: NDArray[np.float64]) -> NDArray[np.float64]:
    position = rank - windows.first_rank
    inside = (position >= 0.0) & (position < windows.size)
    index = np.where(inside, position, 0.0).astype(np.int64)
    picked = np.take_along_axis(windows.values, index[:, None], axis=1)[:, 0]
    return np.where(inside, picked, np.nan)


def _between_ranks(windows: _Windows, rank: NDArray[np.float64]) -> NDArray[np.float64]:
    below = np.floor(rank)
    share = rank - below
    low, high = _at_rank(windows, below), _at_rank(windows, below + 1.0)
    return np.where(share == 0.0, low, low + share * (high - low))


def _estimate(windows: _Windows, definition: int) -> NDArray[np.float64]:
    n, q = windows.n, windows.q
    if definition == 7:
        rank = 1.0 + (n - 1.0) * q
    elif definition == 6:
        rank = (n + 1.0) * q
    elif definition == 8:
        rank = (n + 1.0 / 3.0) * q + 1.0 / 3.0
    else:
        rank = n * q
    # n q is a whole number more often than floating point says (0.07 * 100 > 7), at every size of n.
    nearest = np.round(rank)
    with np.errstate(all="ignore"):
        rank = np.where(
            np.abs(rank - nearest) <= 4.0 * np.finfo(np.float64).eps * np.maximum(nearest, 1.0), nearest, rank
        )
        if definition == 1:
            rank = np.ceil(rank)
        elif definition == 2:
            rank = np.where(rank == np.floor(rank), rank + 0.5, np.ceil(rank))
        return _between_ranks(windows, np.clip(rank, 1.0, n))


def _variance_of_share(
    windows: _Windows, variance: npt.ArrayLike | None, shape: tuple[int, ...]
) -> NDArray[np.float64]:
    if variance is None:
        return windows.q * (1.0 - windows.q) / windows.n
    given = np.broadcast_to(np.asarray(variance, dtype=np.float64), shape).ravel()
    return np.where(given > 0.0, given, np.nan)


def _spacing_error(windows: _Windows, variance: NDArray[np.float64]) -> NDArray[np.float64]:
    # The standard error must not move with the alpha of an interval, so its spacing is always that of 95 %.
    z = -float(ndtri(0.025))
    with np.errstate(all="ignore"):
        centre, half = windows.n * windows.q + 0.5, z * windows.n * np.sqrt(variance)
        return (_between_ranks(windows, centre + half) - _between_ranks(windows, centre - half)) / (2.0 * z)


def _binomial_cdf(k: NDArray[np.float64], n: NDArray[np.float64], q: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(all="ignore"):
        inner = betaincc(np.clip(k, 0.0, n - 1.0) + 1.0, n - np.clip(k, 0.0, n - 1.0), q)
        return np.where(k < 0.0, 0.0, np.where(k >= n, 1.0, inner))


def _binomial_sf(k: NDArray[np.float64], n: NDArray[np.float64], q: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(all="ignore"):
        inner = betainc(np.clip(k, 0.0, n - 1.0) + 1.0, n - np.clip(k, 0.0, n - 1.0), q)
        return np.where(k < 0.0, 1.0, np.where(k >= n, 0.0, inner))


def _binomial_quantile(p: NDArray[np.float64], n: NDArray[np.float64], q: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(all="ignore"):
        k = np.clip(np.ceil(bdtrik(p, n, q)), 0.0, n)
        # A probability that is met exactly must not be missed by a rounding error of the cumulative sum.
        enough = p * (1.0 - 64.0 * np.finfo(np.float64).eps)
        return np.where((k > 0.0) & (_binomial_cdf(k - 1.0, n, q) >= enough), k - 1.0, k)


def _exact_ranks(windows: _Windows, tail: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    low = _binomial_quantile(tail, windows.n, windows.q)
    return low, _binomial_quantile(1.0 - tail, windows.n, windows.q) + 1.0


def _outer_ranks(
    windows: _Windows, variance: NDArray[np.float64], tail: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    with np.errstate(all="ignore"):
        centre, half = windows.n * windows.q, -ndtri(tail) * windows.n * np.sqrt(variance)
        low = np.maximum(np.floor(centre - half), 0.0)
        return low, np.minimum(np.ceil(centre + half) + 1.0, windows.n + 1.0)


def _interval(
    windows: _Windows,
    shape: tuple[int, ...],
    rank_low: NDArray[np.float64],
    rank_high: NDArray[np.float64],
    coverage: NDArray[np.float64],
    se: NDArray[np.float64],
    definition: int,
) -> QuantileInterval:
    low, high = _at_rank(windows, rank_low), _at_rank(windows, rank_high)
    undefined = ~(low < high)
    parts = (
        _estimate(windows, definition),
        np.where(undefined, np.nan, se),
        rank_low,
        rank_high,
        np.where(undefined, np.nan, low),
        np.where(undefined, np.nan, high),
        coverage,
        undefined,
    )
    return QuantileInterval(*(part.reshape(shape) for part in parts))


def _refused(
    windows: _Windows, tail: NDArray[np.float64], needs_high: NDArray[np.bool_], needs_low: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Whether an arm's own limits are missing on a side that the comparison uses, or collapse."""
    rank_low, rank_high = _exact_ranks(windows, tail)
    low, high = _at_rank(windows, rank_low), _at_rank(windows, rank_high)
    return (needs_low & np.isnan(low)) | (needs_high & np.isnan(high)) | (low == high)


def _rank_distribution(
    windows: _Windows,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Binomial(n + 1, q) on the ranks of the window, and the probabilities below and above it."""
    trials, q, first = windows.n + 1.0, windows.q, windows.first_rank
    last = first + windows.size - 1.0
    below, above = _binomial_cdf(first - 1.0, trials, q), _binomial_sf(last, trials, q)
    ranks = first[:, None] + np.arange(windows.values.shape[1])
    inside = np.arange(windows.values.shape[1]) < windows.size[:, None]
    with np.errstate(all="ignore"):
        # Ratios of neighbours lose no digits at any n, unlike differences of log-gamma functions.
        step = np.log((trials[:, None] - ranks + 1.0) / ranks) + (np.log(q) - np.log1p(-q))[:, None]
        step[:, 0] = 0.0
        log_mass = np.where(inside, np.cumsum(np.where(inside, step, 0.0), axis=1), -np.inf)
        mass = np.exp(log_mass - log_mass.max(axis=1, keepdims=True))
        mass *= (np.maximum(1.0 - below - above, 0.0) / mass.sum(axis=1))[:, None]
    return mass, below, above


def _bootstrap(
    control: _Windows, treatment: _Windows, tail: NDArray[np.float64], side: NDArray[np.str_]
) -> tuple[NDArray[np.float64], ...]:
    """Return standard error, p-value, limits of the difference and of the lift; garbage in cells to be refused."""
    arms = [(windows, *_rank_distribution(windows)) for windows in (control, treatment)]
    with np.errstate(all="ignore"):
        se = np.sqrt(sum(_variance(windows.values, *distribution) for windows, *distribution in arms))
        at_most_zero, at_least_zero = _sign_probabilities(*arms)
        both = np.minimum(1.0, 2.0 * np.minimum(at_most_zero, at_least_zero))
        p_value = np.where(side == "greater", at_most_zero, np.where(side == "less", at_least_zero, both))
        odd = 2 * np.arange(LATTICE_POINTS) + 1
        uniform = odd / (2 * LATTICE_POINTS), (LATTICE_GENERATOR * odd) % (2 * LATTICE_POINTS) / (2 * LATTICE_POINTS)
        drawn_control, drawn_treatment = (_draw(*arm[:3], u) for arm, u in zip(arms, uniform, strict=True))
        difference = drawn_treatment - drawn_control
        lift = difference / np.abs(drawn_control)
        edges = control.values[:, 0], _at_rank(control, control.first_rank + control.size - 1.0)
        lift[~((edges[0] > 0.0) | (edges[1] < 0.0))] = np.nan
        limits = (*_percentiles(difference, tail, side), *_percentiles(lift, tail, side))
    return (se, p_value, *limits)


def _variance(
    values: NDArray[np.float64],
    mass: NDArray[np.float64],
    below: NDArray[np.float64],
    above: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Variance of the bootstrapped quantile; ranks outside the window count as its first and last value."""
    present = ~np.isnan(values)
    last = np.maximum(present.sum(axis=1) - 1, 0)[:, None]
    weight = mass.copy()
    weight[:, 0] += below
    np.put_along_axis(weight, last, np.take_along_axis(weight, last, axis=1) + above[:, None], axis=1)
    shifted = np.where(present, values - values[:, :1], 0.0)
    centred = shifted - (weight * shifted).sum(axis=1, keepdims=True)
    return (weight * centred**2).sum(axis=1)


_Arm = tuple[_Windows, NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


def _sign_probabilities(control: _Arm, treatment: _Arm) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bootstrap probabilities that treatment - control is <= 0 and >= 0; what is unseen counts in both."""
    return _probability_not_above(treatment, control), _probability_not_above(control, treatment)


def _probability_not_above(first: _Arm, second: _Arm) -> NDArray[np.float64]:
    (windows_1, mass_1, below_1, _), (windows_2, mass_2, _, above_2) = first, second
    merged = np.concatenate([windows_1.values, windows_2.values], axis=1)
    # Stable order puts the first arm before the second among equals, so that a tie counts as "not above".
    order = np.argsort(merged, axis=1, kind="stable")
    sorted_1 = np.take_along_axis(np.concatenate([mass_1, np.zeros_like(mass_2)], axis=1), order, axis=1)
    sorted_2 = np.take_along_axis(np.concatenate([np.zeros_like(mass_1), mass_2], axis=1), order, axis=1)
    seen = (np.cumsum(sorted_1, axis=1) * sorted_2).sum(axis=1)
    return np.minimum(1.0, seen + below_1 + above_2 - below_1 * above_2)


def _draw(
    windows: _Windows,
    mass: NDArray[np.float64],
    below: NDArray[np.float64],
    uniform: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Values at the ranks that the uniform numbers select in every cell; infinite outside the window."""
    cells, width = windows.values.shape
    cumulative = np.concatenate([below[:, None], below[:, None] + np.cumsum(mass, axis=1)], axis=1)
    # One sorted vector of all cells, cell i raised by i, makes a single search do for every cell.
    offset = np.arange(cells)[:, None]
    stacked = np.clip(np.nan_to_num(cumulative, nan=1.0), 0.0, 1.0) + offset
    index = np.searchsorted(stacked.ravel(), (uniform + offset).ravel()).reshape(cells, -1) - offset * (width + 1)
    end = np.full((cells, 1), np.inf)
    ladder = np.concatenate([-end, np.where(np.isnan(windows.values), np.inf, windows.values), end], axis=1)
    return np.take_along_axis(ladder, index, axis=1)


def _percentiles(
    draws: NDArray[np.float64], tail: NDArray[np.float64], side: NDArray[np.str_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Symmetric inverted-cdf percentiles; NaN when unseen draws (infinite, or undecided) reach them."""
    count = draws.shape[1]
    resolved = tail * count >= 1.0
    position = np.where(resolved, np.ceil(tail * count) - 1.0, 0.0).astype(np.int64)
    ordered, undecided = np.sort(draws, axis=1), np.isnan(draws).sum(axis=1)
    # Sorting puts the undecided draws last, where they belong for the upper limit; the lower one has them first.
    places = position - undecided, count - 1 - position
    low, high = (np.take_along_axis(ordered, np.maximum(at, 0)[:, None], axis=1)[:, 0] for at in places)
    low = np.where(position >= undecided, low, np.nan)
    low, high = (np.where(resolved & np.isfinite(limit), limit, np.nan) for limit in (low, high))
    open_low, open_high = (side == "less") & ~np.isnan(high), (side == "greater") & ~np.isnan(low)
    return np.where(open_low, -np.inf, low), np.where(open_high, np.inf, high)
