"""How alike units of one cluster are, and what that costs: intracluster correlation and design effects."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray
from scipy.special import fdtri

from python_stats.clusters.totals import cell_sum, cluster_rows
from python_stats.wald import check_alpha

# Sums of squares below this many squared units in the last place of the means are the rounding of a constant metric.
_ROUNDING = 8.0 * np.finfo(np.float64).eps


class IntraclusterMoments(NamedTuple):
    """The analysis of variance of a cell by cluster; every field adds up over cells that keep their own means.

    Adding the fields of two arms therefore pools their correlation within arms, free of the treatment effect.

    Attributes
    ----------
    n, clusters : ndarray, shape (K,)
        Units and clusters.
    weighted_size : ndarray, shape (K,)
        ``sum(size**2) / n``: the size of the cluster that the average unit finds itself in.
    ss_between, ss_within : ndarray, shape (K,)
        Sums of squares of the cluster means around the cell's mean (weighted by size) and of the units around their
        cluster's mean.
    arms : ndarray, shape (K,)
        Number of means removed, 1; the degrees of freedom between clusters are ``clusters - arms``.
    """

    n: NDArray[np.float64]
    clusters: NDArray[np.float64]
    weighted_size: NDArray[np.float64]
    ss_between: NDArray[np.float64]
    ss_within: NDArray[np.float64]
    arms: NDArray[np.float64]


class IntraclusterCorrelation(NamedTuple):
    """Intracluster correlation with its interval and what it is made of, one element per cell.

    Attributes
    ----------
    icc : ndarray
        ANOVA estimate; it may be negative.
    ci_low, ci_high : ndarray
        Searle's interval.
    n0 : ndarray
        The cluster size that enters the estimate; below the mean size when sizes differ.
    mean_square_between, mean_square_within : ndarray
        Mean squares between and within clusters, in the metric's unit squared.
    """

    icc: NDArray[np.float64]
    ci_low: NDArray[np.float64]
    ci_high: NDArray[np.float64]
    n0: NDArray[np.float64]
    mean_square_between: NDArray[np.float64]
    mean_square_within: NDArray[np.float64]


def intracluster_moments(
    cell: npt.ArrayLike,
    size: npt.ArrayLike,
    numerator: npt.ArrayLike,
    ss_within: npt.ArrayLike,
    *,
    cells: int | None = None,
) -> IntraclusterMoments:
    """Reduce cluster rows to the analysis of variance of each cell.

    Parameters
    ----------
    cell : array_like of int, shape (R,)
        Cell of each cluster row, from 0; a cell is one arm of one metric.
    size, numerator : array_like, shape (R,)
        Units in the cluster (also those without an outcome) and the outcome's total over them.
    ss_within : array_like, shape (R,)
        Sum of squares of the cluster's units around the cluster's own mean, centred before squaring.
    cells : int, optional
        Number of cells; one more than the largest index when absent.

    Returns
    -------
    IntraclusterMoments
        Clusters without units are left out. A NaN in a row is a NaN in its cell, and so is a cell without clusters.

    Raises
    ------
    ValueError
        When the columns do not describe the same rows.

    Examples
    --------
    >>> m = intracluster_moments([0, 0], size=[2, 3], numerator=[3, 9], ss_within=[0.5, 2.0])
    >>> round(float(m.weighted_size[0]), 6), round(float(m.ss_between[0]), 6), float(m.ss_within[0])
    (2.6, 2.7, 2.5)
    """
    index, count = cluster_rows(cell, cells, size=size, numerator=numerator, ss_within=ss_within)
    units, total, inside = (np.asarray(x, dtype=np.float64) for x in (size, numerator, ss_within))
    with np.errstate(all="ignore"):
        present = ~(units <= 0.0)
        n = cell_sum(np.where(present, units, 0.0), index, count)
        clusters = cell_sum(present.astype(np.float64), index, count)
        means = np.where(present, total / units, 0.0)
        centre = cell_sum(np.where(present, total, 0.0), index, count) / n
        around = cell_sum(np.where(present, units * (means - centre[index]) ** 2, 0.0), index, count)
        noise = _ROUNDING**2 * cell_sum(np.where(present, units * means**2, 0.0), index, count)
        weighted = cell_sum(np.where(present, units**2, 0.0), index, count) / n
        within = cell_sum(np.where(present, inside, 0.0), index, count)
    empty = clusters == 0.0
    between = np.where(empty, np.nan, np.where((around <= noise) & np.isfinite(noise), 0.0, around))
    return IntraclusterMoments(n, clusters, weighted, between, np.where(empty, np.nan, within), np.ones(count))


def anova_icc(
    n: npt.ArrayLike,
    clusters: npt.ArrayLike,
    weighted_size: npt.ArrayLike,
    ss_between: npt.ArrayLike,
    ss_within: npt.ArrayLike,
    arms: npt.ArrayLike = 1.0,
    *,
    alpha: npt.ArrayLike = 0.05,
) -> IntraclusterCorrelation:
    """Estimate the intracluster correlation by analysis of variance, with Searle's interval.

    ``(MSB - MSW) / (MSB + (n0 - 1) * MSW)`` with ``n0 = (n - weighted_size) / (clusters - arms)``, not the mean cluster
    size. It is the moment estimator of R's ``ICC::ICCest``; on unequal sizes REML gives another number. The interval
    inverts the F distribution of MSB / MSW, exact for equal sizes and normal effects. Negative estimates are not
    truncated.

    Parameters
    ----------
    n, clusters, weighted_size, ss_between, ss_within, arms : array_like
        The fields of `IntraclusterMoments`, of one cell or added over the arms of an experiment.
    alpha : array_like, default 0.05
        One minus the interval's confidence.

    Returns
    -------
    IntraclusterCorrelation
        NaN where there are no more clusters than means removed, no more units than clusters, or no variation at all.
        Without variation within clusters the correlation is 1 and the interval NaN.

    Raises
    ------
    ValueError
        When alpha is outside (0, 1).

    References
    ----------
    Searle, S. R. (1971). Linear Models, chapter 9. Donner, A. (1986). A review of inference procedures for the
    intraclass correlation coefficient in the one-way random effects model. International Statistical Review 54, 67-82.

    Examples
    --------
    >>> got = anova_icc(n=60, clusters=6, weighted_size=10.0, ss_between=25.0, ss_within=54.0)
    >>> [round(float(x), 6) for x in (got.icc, got.ci_low, got.ci_high, got.n0)]
    [0.285714, 0.072194, 0.747929, 10.0]
    """
    level = check_alpha(alpha)
    units, groups, typical, between, within, removed = (
        np.asarray(x, dtype=np.float64) for x in (n, clusters, weighted_size, ss_between, ss_within, arms)
    )
    with np.errstate(all="ignore"):
        df_between, df_within = groups - removed, units - groups
        n0 = (units - typical) / df_between
        valid = (df_between > 0.0) & (df_within > 0.0) & (n0 > 0.0) & (between >= 0.0) & (within >= 0.0)
        for part in (df_between, df_within, n0, between, within):
            valid = valid & np.isfinite(part)
        mean_between = np.where(valid, between / df_between, np.nan)
        mean_within = np.where(valid, within / df_within, np.nan)
        size = np.where(valid, n0, np.nan)
        icc = (mean_between - mean_within) / (mean_between + (size - 1.0) * mean_within)
        ratio = np.where(mean_within > 0.0, mean_between / mean_within, np.nan)
        lower = ratio / fdtri(df_between, df_within, 1.0 - level / 2.0)
        upper = ratio * fdtri(df_within, df_between, 1.0 - level / 2.0)
        ci_low, ci_high = ((f - 1.0) / (f + size - 1.0) for f in (lower, upper))
        known = np.isfinite(ci_low) & np.isfinite(ci_high)
        ci_low, ci_high = (np.where(known, limit, np.nan) for limit in (ci_low, ci_high))
    return IntraclusterCorrelation(icc, ci_low, ci_high, size, mean_between, mean_within)


def design_effect(size: npt.ArrayLike, icc: npt.ArrayLike, *, cv: npt.ArrayLike = 0.0) -> NDArray[np.float64]:
    """Variance of a mean over clusters relative to as many independent units.

    ``1 + ((1 + cv**2) * size - 1) * icc``. With ``size`` the mean cluster size and ``cv = 0`` this is Kish's formula
    for equal clusters; with the coefficient of variation of the sizes it is Eldridge's for unequal ones, where ``cv``
    takes the population variance (divided by the number of clusters). ``size=weighted_size, cv=0`` (``sum(size**2) /
    n``) is the same number without a detour, because ``sum(size**2) / n`` equals ``(1 + cv**2) * mean size``.

    Parameters
    ----------
    size : array_like
        Mean cluster size, or ``weighted_size`` of the clusters at hand.
    icc : array_like
        Intracluster correlation. A negative one gives an effect below 1; plan with zero instead.
    cv : array_like, default 0
        Standard deviation of the cluster sizes over their mean.

    Returns
    -------
    ndarray
        NaN where an argument is NaN, the size is not positive, or the result is negative.

    References
    ----------
    Kish, L. (1965). Survey Sampling. Eldridge, S. M., Ashby, D. and Kerry, S. (2006). Sample size for cluster
    randomized trials: effect of coefficient of variation of cluster size and analysis method. Int. J. Epidemiology 35,
    1292-1300.

    Examples
    --------
    >>> round(float(design_effect(50, 0.05)), 6), round(float(design_effect(50, 0.05, cv=0.6)), 6)
    (3.45, 4.35)
    """
    mean_size, rho, spread = (np.asarray(x, dtype=np.float64) for x in (size, icc, cv))
    with np.errstate(all="ignore"):
        effect = 1.0 + ((1.0 + spread**2) * mean_size - 1.0) * rho
        return np.where((mean_size > 0.0) & (effect >= 0.0), effect, np.nan)


def size_cv2(
    n: npt.ArrayLike, clusters: npt.ArrayLike, weighted_size: npt.ArrayLike, *, sample: bool = False
) -> NDArray[np.float64]:
    """Squared coefficient of variation of the cluster sizes.

    Parameters
    ----------
    n, clusters, weighted_size : array_like
        Units, clusters, and ``sum(size**2) / n``.
    sample : bool, default False
        False divides the variance by the number of clusters, the version that belongs in `design_effect`; True by one
        less.

    Returns
    -------
    ndarray
        NaN without clusters, and for the sample version with one.

    Examples
    --------
    >>> round(float(size_cv2(60, 3, 1400 / 60)), 6), round(float(size_cv2(60, 3, 1400 / 60, sample=True)), 6)
    (0.166667, 0.25)
    """
    units, groups, typical = (np.asarray(x, dtype=np.float64) for x in (n, clusters, weighted_size))
    with np.errstate(all="ignore"):
        # Equal sizes may come out a rounding error below zero.
        cv2 = np.maximum(typical * groups / units - 1.0, 0.0)
        factor = groups / (groups - 1.0) if sample else np.ones_like(groups)
        return np.where((units > 0.0) & (groups >= (2.0 if sample else 1.0)), cv2 * factor, np.nan)


def effective_n(n: npt.ArrayLike, effect: npt.ArrayLike) -> NDArray[np.float64]:
    """Independent units that would carry as much information as ``n`` clustered ones.

    Parameters
    ----------
    n, effect : array_like
        Units, and their design effect.

    Returns
    -------
    ndarray
        ``n / effect``; NaN where the design effect is not positive.

    Examples
    --------
    >>> round(float(effective_n(1000, design_effect(50, 0.05))), 3)
    289.855
    """
    units, inflation = np.asarray(n, dtype=np.float64), np.asarray(effect, dtype=np.float64)
    with np.errstate(all="ignore"):
        return np.where(inflation > 0.0, units / inflation, np.nan)
