"""Winsorised and trimmed means from the moments of the values between two cuts.

SQL counts the values beyond each cut and gives the mean and variance of those in between; putting the values beyond
at the cuts is then a merge of three blocks. The number of values never changes: to drop them would be trimming.

Two conventions carry the name "winsorised mean" and give different numbers (5 % of 59 values: 29.73 and 28.45):

* by rank: the g smallest values become the (g + 1)-th, the g largest the (n - g)-th (WRS2 and SciPy);
* by cutoff: values beyond two thresholds become the thresholds, usually interpolated quantiles (psych, SQL).

To compare arms, the cutoffs must come from all arms together: a threshold per arm removes part of the effect.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from python_stats.arguments import takes_summaries
from python_stats.means.welch import variance_above_rounding
from python_stats.wald import Comparison, wald


class ProportionError(ValueError):
    """A proportion to winsorise or trim that is not in [0, 0.5)."""


class CutRanks(NamedTuple):
    """Ranks between which the values of a cell are kept.

    Attributes
    ----------
    n_cut : ndarray
        Values beyond the cut on each side, ``floor(proportion * n)``.
    rank_low, rank_high : ndarray
        Ranks (1 is the smallest) of the first and the last value that is kept.
    n_kept : ndarray
        Values kept, ``n - 2 * n_cut``.
    """

    n_cut: NDArray[np.float64]
    rank_low: NDArray[np.float64]
    rank_high: NDArray[np.float64]
    n_kept: NDArray[np.float64]


class WinsorizedMoments(NamedTuple):
    """Moments of the winsorised values of a cell.

    Attributes
    ----------
    n : ndarray
        All values of the cell, those at the cuts included.
    mean : ndarray
        Winsorised mean.
    var : ndarray
        Winsorised variance, divisor ``n - 1``.
    """

    n: NDArray[np.float64]
    mean: NDArray[np.float64]
    var: NDArray[np.float64]


def cut_ranks(n: npt.ArrayLike, proportion: npt.ArrayLike = 0.2) -> CutRanks:
    """Ranks of the first and last value kept when a proportion is cut on each side.

    Parameters
    ----------
    n : array_like
        Number of values in the cell.
    proportion : array_like, default 0.2
        Share cut on each side, in [0, 0.5).

    Returns
    -------
    CutRanks
        NaN where n is missing or below 1.

    Raises
    ------
    ProportionError
        For a proportion outside [0, 0.5).

    Examples
    --------
    >>> ranks = cut_ranks(59, 0.05)
    >>> float(ranks.n_cut), float(ranks.rank_low), float(ranks.rank_high), float(ranks.n_kept)
    (2.0, 3.0, 57.0, 55.0)
    """
    size, share = np.broadcast_arrays(np.asarray(n, dtype=np.float64), _check_proportion(proportion))
    with np.errstate(invalid="ignore"):
        size = np.where(np.isfinite(size) & (size >= 1.0), size, np.nan)
        # 0.29 * 100 is 28.999999999999996 in floating point; 29 values are meant.
        cut = np.floor(share * size * (1.0 + 4.0 * np.finfo(np.float64).eps))
    return CutRanks(cut, cut + 1.0, size - cut, size - 2.0 * cut)


def winsorized_moments_by_rank(
    n: npt.ArrayLike,
    mean_core: npt.ArrayLike,
    var_core: npt.ArrayLike,
    lowest_kept: npt.ArrayLike,
    highest_kept: npt.ArrayLike,
    *,
    proportion: npt.ArrayLike = 0.2,
) -> WinsorizedMoments:
    """Winsorised mean and variance, order-statistic convention: each tail becomes the nearest value kept.

    This is ``winmean`` and ``winvar`` of R's WRS2 and ``scipy.stats.mstats.winsorize``. Cuts by rank are an arm's own,
    so the means serve Yuen's test and descriptions; to compare winsorised means between arms use a common cutoff.

    Parameters
    ----------
    n : array_like
        Number of values in the cell.
    mean_core, var_core : array_like
        Mean and variance (divisor one less than their number) of the values from ``rank_low`` to ``rank_high`` of
        `cut_ranks`; the mean is the trimmed mean.
    lowest_kept, highest_kept : array_like
        Values at those two ranks.
    proportion : array_like, default 0.2
        Share cut on each side, in [0, 0.5).

    Returns
    -------
    WinsorizedMoments
        NaN where no value is kept or a moment is missing; the variance is NaN with one value.

    Raises
    ------
    ProportionError
        For a proportion outside [0, 0.5).

    References
    ----------
    Wilcox, R. R. (2017). Introduction to robust estimation and hypothesis testing, 4th ed., section 3.3. Academic
    Press.

    Examples
    --------
    >>> result = winsorized_moments_by_rank(5, 3.0, 1.0, 2.0, 4.0, proportion=0.2)  # values 1, 2, 3, 4, 100
    >>> float(result.mean), float(result.var)
    (3.0, 1.0)
    """
    ranks = cut_ranks(n, proportion)
    return _clamp(ranks.n_cut, lowest_kept, ranks.n_kept, mean_core, var_core, ranks.n_cut, highest_kept)


def winsorized_moments_by_cutoff(
    n_below: npt.ArrayLike,
    cutoff_low: npt.ArrayLike,
    n_core: npt.ArrayLike,
    mean_core: npt.ArrayLike,
    var_core: npt.ArrayLike,
    n_above: npt.ArrayLike,
    cutoff_high: npt.ArrayLike,
) -> WinsorizedMoments:
    """Winsorised mean and variance, cutoff convention: values beyond two thresholds become the thresholds.

    With the interpolated (type 7) quantiles of the cell as thresholds this is ``winsor`` of R's psych and
    ``least(greatest(x, p05), p95)`` in SQL. To cap one side only, the other count is 0 and its cutoff anything.

    Parameters
    ----------
    n_below, n_above : array_like
        Values strictly below the lower and strictly above the upper threshold.
    cutoff_low, cutoff_high : array_like
        The thresholds, the same for every arm of an experiment; not used where their count is 0.
    n_core, mean_core, var_core : array_like
        Number, mean and variance of the values in between.

    Returns
    -------
    WinsorizedMoments
        ``n`` is the sum of the three counts. NaN where it is 0, a count is missing or negative, or a moment that is
        needed is missing; the variance is NaN with one value.

    References
    ----------
    Dixon, W. J. and Tukey, J. W. (1968). Approximate behavior of the distribution of winsorized t. Technometrics 10,
    83-98.

    Examples
    --------
    >>> result = winsorized_moments_by_cutoff(0, None, 4, 2.5, 5 / 3, 1, 10.0)  # values 1, 2, 3, 4 and 100 capped at 10
    >>> float(result.mean), round(float(result.var), 6)
    (4.0, 12.5)
    """
    return _clamp(n_below, cutoff_low, n_core, mean_core, var_core, n_above, cutoff_high)


def trimmed_mean_se(
    var_winsorized: npt.ArrayLike, n: npt.ArrayLike, *, proportion: npt.ArrayLike = 0.2
) -> NDArray[np.float64]:
    """Compute the standard error of a trimmed mean, ``sqrt(var_winsorized / n) / (1 - 2 * proportion)``.

    This is ``trimse`` of R's WRS2. Yuen's test uses ``(n - 1) * var / (h * (h - 1))`` with the number kept, h, instead,
    which is a little different: see `yuen_t`.

    Parameters
    ----------
    var_winsorized : array_like
        Winsorised variance by rank (`winsorized_moments_by_rank`).
    n : array_like
        Number of values in the cell, before trimming.
    proportion : array_like, default 0.2
        Share trimmed on each side, in [0, 0.5).

    Returns
    -------
    ndarray
        NaN where n is below 2 or the variance is missing or negative.

    Raises
    ------
    ProportionError
        For a proportion outside [0, 0.5).

    References
    ----------
    Tukey, J. W. and McLaughlin, D. H. (1963). Less vulnerable confidence and significance procedures for location based
    on a single sample. Sankhya A 25, 331-352.

    Examples
    --------
    >>> round(float(trimmed_mean_se(4.0, 100, proportion=0.2)), 6)
    0.333333
    """
    share, variance, size = (
        np.asarray(x, dtype=np.float64) for x in (_check_proportion(proportion), var_winsorized, n)
    )
    with np.errstate(all="ignore"):
        return np.sqrt(variance / np.where(size >= 2.0, size, np.nan)) / (1.0 - 2.0 * share)


@takes_summaries("the trimmed mean, winsorised variance and number of units", "winsorized_moments_by_rank makes them")
def yuen_t(
    mean_trimmed_control: npt.ArrayLike,
    var_winsorized_control: npt.ArrayLike,
    n_control: npt.ArrayLike,
    mean_trimmed_treatment: npt.ArrayLike,
    var_winsorized_treatment: npt.ArrayLike,
    n_treatment: npt.ArrayLike,
    *,
    proportion: npt.ArrayLike = 0.2,
    alpha: npt.ArrayLike = 0.05,
    alternative: npt.ArrayLike = "two_sided",
    null: npt.ArrayLike = 0.0,
) -> Comparison:
    """Yuen's test of the difference of two trimmed means, with Welch-type degrees of freedom.

    An arm of h values kept out of n contributes ``(n - 1) * var_winsorized / (h * (h - 1))`` to the variance and h - 1
    to the degrees of freedom. This is ``yuen`` of R's WRS2 and ``scipy.stats.ttest_ind(trim=..., equal_var=False)``
    (SciPy's default ``equal_var=True`` is another test). With nothing trimmed it is Welch's t.

    Parameters
    ----------
    mean_trimmed_control, mean_trimmed_treatment : array_like
        Trimmed means: means of the values between the ranks of `cut_ranks`.
    var_winsorized_control, var_winsorized_treatment : array_like
        Winsorised variances by rank (`winsorized_moments_by_rank`), divisor ``n - 1``.
    n_control, n_treatment : array_like
        Values in the arms, before trimming.
    proportion : array_like, default 0.2
        Share trimmed on each side, in [0, 0.5).
    alpha, alternative, null : array_like
        As in `python_stats.wald`.

    Returns
    -------
    Comparison
        Arrays of the common shape; the effect is the difference of trimmed means. Where an arm keeps fewer than two
        values, a variance is missing, or both winsorised variances are zero, everything but the effect is NaN (the
        standard error is 0 in the last case).

    Raises
    ------
    ProportionError, AlphaError, UnknownAlternativeError
        For wrong arguments; all are ValueErrors.

    References
    ----------
    Yuen, K. K. (1974). The two-sample trimmed t for unequal population variances. Biometrika 61, 165-170.

    Examples
    --------
    >>> result = yuen_t(10.0, 4.0, 50, 11.0, 9.0, 40)
    >>> round(float(result.statistic), 6), round(float(result.df), 4), round(float(result.p_value), 6)
    (1.077603, 38.3653, 0.28794)
    """
    parts, freedom, means = [], [], []
    for mean, var, n in (
        (mean_trimmed_control, var_winsorized_control, n_control),
        (mean_trimmed_treatment, var_winsorized_treatment, n_treatment),
    ):
        centre, kept = np.asarray(mean, dtype=np.float64), cut_ranks(n, proportion).n_kept
        size = np.asarray(n, dtype=np.float64)
        with np.errstate(all="ignore"):
            kept = np.where(kept >= 2.0, kept, np.nan)
            parts.append((size - 1.0) * variance_above_rounding(var, centre) / (kept * (kept - 1.0)))
        freedom.append(kept - 1.0)
        means.append(centre)
    with np.errstate(all="ignore"):
        total = parts[0] + parts[1]
        df = total**2 / (parts[0] ** 2 / freedom[0] + parts[1] ** 2 / freedom[1])
        return wald(means[1] - means[0], np.sqrt(total), df, alpha=alpha, alternative=alternative, null=null)


def _check_proportion(proportion: npt.ArrayLike) -> NDArray[np.float64]:
    share = np.asarray(proportion, dtype=np.float64)
    outside = ~((share >= 0.0) & (share < 0.5))
    if np.any(outside):
        raise ProportionError(f"proportion must be in [0, 0.5); found {share[outside].flat[0]}")
    return share


def _clamp(
    n_below: npt.ArrayLike,
    low: npt.ArrayLike,
    n_core: npt.ArrayLike,
    mean_core: npt.ArrayLike,
    var_core: npt.ArrayLike,
    n_above: npt.ArrayLike,
    high: npt.ArrayLike,
) -> WinsorizedMoments:
    """Moments of three blocks: two constant ones at the cuts and the core."""
    below, bottom, core, mean, var, above, top = np.broadcast_arrays(
        *(np.asarray(x, dtype=np.float64) for x in (n_below, low, n_core, mean_core, var_core, n_above, high))
    )
    with np.errstate(all="ignore"):
        total = below + core + above
        usable = (below >= 0.0) & (core >= 0.0) & (above >= 0.0) & (total >= 1.0)
        centre = np.where(core > 0.0, mean, np.where(below > 0.0, bottom, top))
        # A block without values must not bring in its missing mean.
        down, up = (np.where(count > 0.0, cut - centre, 0.0) for count, cut in ((below, bottom), (above, top)))
        shift = (below * down + above * up) / total
        inside = np.where(core > 1.0, (core - 1.0) * var, 0.0)
        squares = inside + below * (down - shift) ** 2 + above * (up - shift) ** 2 + core * shift**2
        variance = np.where(total >= 2.0, squares / (total - 1.0), np.nan)
        average = centre + shift
    return WinsorizedMoments(*(np.where(usable, part, np.nan) for part in (total, average, variance)))
