"""Wild cluster bootstrap-t of a two-arm difference, from cluster totals.

The resampled data are the fitted values plus each cluster's residuals times one random weight. In a two-arm comparison
everything a draw needs is linear or quadratic in the clusters' residual totals, so a draw costs a few multiplications
per cluster whatever the number of units.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from python_stats.cluster_totals import cell_sum, cluster_rows
from python_stats.wald import check_alternative

WEIGHTS = {
    "rademacher": np.array([-1.0, 1.0]),
    "webb": np.array([-np.sqrt(1.5), -1.0, -np.sqrt(0.5), np.sqrt(0.5), 1.0, np.sqrt(1.5)]),
}

# Draws equal to the observed statistic in exact arithmetic differ by rounding; they count as ties.
_TIE = 1e-9
# Elements of one block of cells by draws, to bound memory.
_BLOCK = 500_000


class WildBootstrap(NamedTuple):
    """Result of a wild cluster bootstrap, one element per comparison.

    Attributes
    ----------
    effect : ndarray
        Treatment minus control, in the metric's unit.
    statistic : ndarray
        The effect over its CR1S standard error (Stata's factor cancels in the p-value).
    p_value : ndarray
        Share of draws at least as extreme, ties counted.
    draws : ndarray of int
        Draws that the share is taken over; 0 where there is no p-value.
    is_exact : ndarray of bool
        Whether the draws are all sign vectors, so that the p-value has no Monte Carlo error.
    """

    effect: NDArray[np.float64]
    statistic: NDArray[np.float64]
    p_value: NDArray[np.float64]
    draws: NDArray[np.int64]
    is_exact: NDArray[np.bool_]


class _Residuals(NamedTuple):
    """Per comparison and (padded) cluster position: residual totals and leverages of each arm, arms on axis 0."""

    residual: NDArray[np.float64]
    share: NDArray[np.float64]


def _draw_counts(
    given: _Residuals, draws: NDArray[np.float64], statistic: NDArray[np.float64], side: NDArray[np.str_]
) -> NDArray[np.int64]:
    """Count the draws (rows of weights) that are at least as extreme as the statistic, for each comparison."""
    mean = given.residual @ draws.T
    square = (given.residual**2) @ (draws**2).T
    cross = (given.residual * given.share) @ draws.T
    spread = np.sum(given.share**2, axis=-1, keepdims=True)
    variance = np.sum(square - 2.0 * mean * cross + mean**2 * spread, axis=0)
    # The three terms cancel where every residual total of an arm is its leverage's share of the drawn mean.
    scale = np.sum(square, axis=0)
    se = np.sqrt(np.where(variance > 1e-13 * scale, variance, 0.0))
    effect = mean[1] - mean[0]
    observed = statistic[:, np.newaxis]
    slack = _TIE * (np.abs(effect) + np.abs(observed) * se + np.sqrt(scale))
    upper = effect - observed * se >= -slack
    lower = effect - observed * se <= slack
    both = np.abs(effect) - np.abs(observed) * se >= -slack
    which = side[:, np.newaxis]
    extreme = np.where(which == "two_sided", both, np.where(which == "greater", upper, lower))
    return np.sum(extreme, axis=1)


def _sign_vectors(clusters: int, start: int, stop: int) -> NDArray[np.float64]:
    """Rows ``start`` to ``stop`` of the enumeration of all sign vectors; row 0 is the observed one."""
    return 1.0 - 2.0 * ((np.arange(start, stop)[:, np.newaxis] >> np.arange(clusters)) & 1)


def _sizes(clusters: NDArray[np.intp], exact: NDArray[np.bool_]) -> Iterator[tuple[NDArray[np.intp], int, bool]]:
    """Group comparisons that share an array of draws: equal size when enumerated, else the next power of two."""
    padded = np.where(exact, clusters, 1 << np.ceil(np.log2(np.maximum(clusters, 1))).astype(np.intp))
    for is_exact in (True, False):
        for width in np.unique(padded[exact == is_exact]):
            yield np.flatnonzero((exact == is_exact) & (padded == width)), int(width), is_exact


def wild_cluster_bootstrap(
    comparison: npt.ArrayLike,
    treated: npt.ArrayLike,
    size: npt.ArrayLike,
    numerator: npt.ArrayLike,
    denominator: npt.ArrayLike | None = None,
    *,
    weights: str = "rademacher",
    impose_null: bool = True,
    draws: int = 9999,
    seed: int = 0,
    alternative: npt.ArrayLike = "two_sided",
    comparisons: int | None = None,
) -> WildBootstrap:
    """Test two-arm differences with the wild cluster bootstrap-t.

    With the null imposed this is WCR (boottest's default, type "11"): residuals come from the pooled mean. Without,
    WCU: residuals come from each arm and the drawn effect is taken around the estimate. The studentisation is
    cluster-robust with one factor for all draws, so CR0, CR1 and CR1S give the same p-value. Draws that tie with the
    observed statistic count as extreme (strict counting omits the observed draw and its mirror image, 2 of 2**G).

    Parameters
    ----------
    comparison : array_like of int, shape (R,)
        Comparison of each cluster row, from 0; it holds the clusters of one control and one treatment arm (with several
        treatments the control's rows are repeated). Any order.
    treated : array_like of bool or 0/1, shape (R,)
        Whether the cluster is in the treatment arm.
    size : array_like, shape (R,)
        Units in the cluster, also those without an outcome; clusters of size 0 are left out.
    numerator : array_like, shape (R,)
        Total of the outcome over the cluster's units.
    denominator : array_like, shape (R,), optional
        Total of a ratio's denominator; the size when absent.
    weights : {"rademacher", "webb"}, default "rademacher"
        Signs, or Webb's six points, which have more distinct draws below ten clusters.
    impose_null : bool, default True
        WCR (True) keeps its level with fewer clusters than WCU.
    draws : int, default 9999
        Monte Carlo draws. As in boottest, Rademacher signs are enumerated instead when there are no more than ``draws``
        sign vectors, ``2**G <= draws``.
    seed : int, default 0
        Seed of the Monte Carlo draws. A comparison's p-value depends on its own rows and the seed alone: neither on
        their order nor on the other comparisons.
    alternative : array_like of str, default "two_sided"
        ``"two_sided"`` (symmetric, on the absolute statistic), ``"greater"`` or ``"less"``, one or one per comparison.
    comparisons : int, optional
        Number of comparisons; one more than the largest index when absent.

    Returns
    -------
    WildBootstrap
        A Monte Carlo p-value is ``(1 + extreme) / (1 + draws)``, never 0. NaN where an arm has fewer than two clusters
        or all its denominator in one, where no residual is left, or where a total is NaN.

    Raises
    ------
    ValueError
        For unknown weights or alternative, draws below 1, or columns that do not describe the same rows.

    References
    ----------
    Cameron, A. C., Gelbach, J. B. and Miller, D. L. (2008). Bootstrap-based improvements for inference with clustered
    errors. Review of Economics and Statistics 90, 414-427. Webb, M. D. (2023). Reworking wild bootstrap-based inference
    for clustered errors. Canadian Journal of Economics 56, 839-858.

    Examples
    --------
    >>> got = wild_cluster_bootstrap([0] * 6, [0, 0, 0, 1, 1, 1], [10, 20, 30, 10, 20, 30], [1, 4, 10, 4, 7, 13])
    >>> round(float(got.statistic[0]), 4), float(got.p_value[0]), int(got.draws[0]), bool(got.is_exact[0])
    (2.4125, 0.0625, 64, True)
    """
    if weights not in WEIGHTS:
        raise ValueError(f"weights must be one of {', '.join(WEIGHTS)}; found {weights!r}")
    if draws < 1:
        raise ValueError(f"draws must be at least 1; found {draws}")
    side = check_alternative(alternative)
    denominator = size if denominator is None else denominator
    index, count = cluster_rows(
        comparison, comparisons, treated=treated, size=size, numerator=numerator, denominator=denominator
    )
    side = np.broadcast_to(side, (count,))
    arm = np.asarray(treated).astype(bool).astype(np.intp)
    units, total, base = (np.asarray(x, dtype=np.float64) for x in (size, numerator, denominator))
    order = np.lexsort((total, base, arm, index))
    order = order[units[order] != 0.0]
    index, arm, units, total, base = index[order], arm[order], units[order], total[order], base[order]

    with np.errstate(all="ignore"):
        cell = 2 * index + arm
        base_sum = cell_sum(base, cell, 2 * count)
        pooled = cell_sum(total, index, count) / (base_sum[0::2] + base_sum[1::2])
        share = base / base_sum[cell]
        restricted = (total - pooled[index] * base) / base_sum[cell]
        value = cell_sum(restricted, cell, 2 * count)
        unrestricted = restricted - value[cell] * share

        arm_clusters = cell_sum(np.ones_like(base), cell, 2 * count)
        bad = cell_sum((~((share >= 0.0) & (1.0 - share > 1e-12))).astype(np.float64), cell, 2 * count)
        variance = cell_sum(unrestricted**2, index, count)
        # Totals that vary by no more than their rounding hold a constant metric.
        noise = cell_sum(((np.abs(total) + np.abs(pooled[index] * base)) / base_sum[cell]) ** 2, index, count)
        constant = variance <= (8.0 * np.finfo(np.float64).eps) ** 2 * noise
        valid = (arm_clusters.reshape(-1, 2).min(axis=1) >= 2.0) & (bad.reshape(-1, 2).sum(axis=1) == 0.0)
        valid &= np.isfinite(variance) & ~constant
        effect = value[1::2] - value[0::2]
        statistic = np.where(valid, effect / np.sqrt(variance), np.nan)

    clusters = np.bincount(index, minlength=count)
    position = np.arange(index.size) - (np.cumsum(clusters) - clusters)[index]
    exact = (clusters <= np.log2(draws)) if weights == "rademacher" else np.zeros(count, dtype=bool)
    points = WEIGHTS[weights]
    p_value = np.full(count, np.nan)
    used = np.zeros(count, dtype=np.int64)
    local = np.full(count, -1)
    for group, width, is_exact in _sizes(clusters, exact):
        members = group[valid[group]]
        if not members.size:
            continue
        local[:] = -1
        local[members] = np.arange(members.size)
        rows = np.flatnonzero(local[index] >= 0)
        residual, leverage = np.zeros((2, 2, members.size, width))
        slot = (arm[rows], local[index[rows]], position[rows])
        residual[slot] = (restricted if impose_null else unrestricted)[rows]
        leverage[slot] = share[rows]
        given = _Residuals(residual, leverage)
        total_draws = 1 << width if is_exact else draws
        step = max(1, _BLOCK // max(members.size, width))
        extreme = np.zeros(members.size, dtype=np.int64)
        generator = np.random.default_rng(seed)
        for start in range(0, total_draws, step):
            stop = min(start + step, total_draws)
            if is_exact:
                block = _sign_vectors(width, start, stop)
            else:
                # Default-width integers leave no bits behind, so that the size of a block does not change the draws.
                block = points[generator.integers(points.size, size=(stop - start, width))]
            extreme += _draw_counts(given, block, statistic[members], side[members])
        p_value[members] = extreme / total_draws if is_exact else (1.0 + extreme) / (1.0 + total_draws)
        used[members] = total_draws
    with np.errstate(all="ignore"):
        n = cell_sum(units, index, count)
        stata = clusters / (clusters - 1.0) * (n - 1.0) / (n - 2.0)
        return WildBootstrap(effect, statistic / np.sqrt(stata), p_value, used, exact & valid)
