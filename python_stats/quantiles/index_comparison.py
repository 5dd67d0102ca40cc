"""Quantiles of independent values and their differences, from the order statistics around them.

Where a limit would fall outside the window of order statistics, or where both limits sit on the same tied value, the
answer is refused: NaN and ``undefined`` set. The windows are those of `python_stats.quantiles.order_statistics`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from python_stats.arguments import takes_summaries
from python_stats.quantiles.index_bootstrap import index_bootstrap
from python_stats.quantiles.order_statistics import (
    Windows,
    at_rank,
    binomial_cdf,
    check_definition,
    estimate_at,
    exact_ranks,
    expand,
    flatten,
    spacing_error,
    variance_of_share,
)
from python_stats.wald import check_alpha, check_alternative, tail_alpha

BLOCK_OF_CELLS = 128


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
    check_definition(definition)
    windows, shape = flatten(n, q, first_rank, values, check_alpha(alpha))
    level = np.broadcast_to(check_alpha(alpha), shape).ravel()
    low, high = exact_ranks(windows, level / 2.0)
    coverage = binomial_cdf(high - 1.0, windows.n, windows.q) - binomial_cdf(low - 1.0, windows.n, windows.q)
    se = spacing_error(windows, variance_of_share(windows, None, shape))
    return interval_between(windows, shape, low, high, coverage, se, definition)


@takes_summaries("a window of order statistics", "order_statistic_window says which")
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
    check_definition(definition)
    level, side = check_alpha(alpha), check_alternative(alternative)
    control, shape_control = flatten(n_control, q, first_rank_control, values_control, level, side)
    treatment, shape_treatment = flatten(n_treatment, q, first_rank_treatment, values_treatment, level, side)
    shape = np.broadcast_shapes(shape_control, shape_treatment)
    control, treatment = expand(control, shape_control, shape), expand(treatment, shape_treatment, shape)
    side = np.broadcast_to(side, shape).ravel()
    tail = np.broadcast_to(tail_alpha(level, side.reshape(shape)), shape).ravel()

    estimate_control, estimate_treatment = estimate_at(control, definition), estimate_at(treatment, definition)
    effect = estimate_treatment - estimate_control
    with np.errstate(all="ignore"):
        lift = effect / np.where(estimate_control != 0.0, np.abs(estimate_control), np.nan)
    numbers = np.full((6, effect.size), np.nan)
    for start in range(0, effect.size, BLOCK_OF_CELLS):
        block = slice(start, start + BLOCK_OF_CELLS)
        numbers[:, block] = index_bootstrap(
            Windows(*(part[block] for part in control)),
            Windows(*(part[block] for part in treatment)),
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


def interval_between(
    windows: Windows,
    shape: tuple[int, ...],
    rank_low: NDArray[np.float64],
    rank_high: NDArray[np.float64],
    coverage: NDArray[np.float64],
    se: NDArray[np.float64],
    definition: int,
) -> QuantileInterval:
    """Return the interval between the values at two ranks, refused where they do not exist or are equal."""
    low, high = at_rank(windows, rank_low), at_rank(windows, rank_high)
    undefined = ~(low < high)
    parts = (
        estimate_at(windows, definition),
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
    windows: Windows, tail: NDArray[np.float64], needs_high: NDArray[np.bool_], needs_low: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Whether an arm's own limits are missing on a side that the comparison uses, or collapse."""
    rank_low, rank_high = exact_ranks(windows, tail)
    low, high = at_rank(windows, rank_low), at_rank(windows, rank_high)
    return (needs_low & np.isnan(low)) | (needs_high & np.isnan(high)) | (low == high)
