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

from python_stats.clusters.totals import cell_sum, cluster_rows
from python_stats.reproducible_order import reproducible_order
from python_stats.row_products import row_products
from python_stats.wald import check_alpha, check_alternative

WEIGHTS = {
    "rademacher": np.array([-1.0, 1.0]),
    "webb": np.array([-np.sqrt(1.5), -1.0, -np.sqrt(0.5), np.sqrt(0.5), 1.0, np.sqrt(1.5)]),
}

SCORES = ("residuals", "jackknifed")

# Draws equal to the observed statistic in exact arithmetic differ by rounding; they count as ties.
_TIE = 1e-9
# Elements of one block of cells by draws, to bound memory.
_BLOCK = 500_000
# The search for a limit starts this many standard errors from the estimate, doubles so often, and halves so often.
_REACH, _DOUBLINGS, _HALVINGS = 4.0, 12, 24


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
    se : ndarray
        The CR1S standard error.
    ci_low, ci_high : ndarray
        The effects that the test does not reject at alpha; infinite on the open side of a one-sided alternative, and
        where no effect within some ten thousand standard errors is rejected.
    """

    effect: NDArray[np.float64]
    statistic: NDArray[np.float64]
    p_value: NDArray[np.float64]
    draws: NDArray[np.int64]
    is_exact: NDArray[np.bool_]
    se: NDArray[np.float64]
    ci_low: NDArray[np.float64]
    ci_high: NDArray[np.float64]


class _Residuals(NamedTuple):
    """Per comparison and (padded) cluster position: residual totals and leverages of each arm, arms on axis 0.

    Testing another effect than zero takes ``slope * pull`` from the residuals per unit of the effect.
    """

    residual: NDArray[np.float64]
    share: NDArray[np.float64]
    pull: NDArray[np.float64]
    slope: NDArray[np.float64]


class _Drawn(NamedTuple):
    """Every draw as a polynomial in the tested effect, comparisons by draws; constant term first, powers on axis 0."""

    effect: NDArray[np.float64]
    variance: NDArray[np.float64]
    square: NDArray[np.float64]


class _Observed(NamedTuple):
    """What the draws are compared with, one element per comparison."""

    effect: NDArray[np.float64]
    se: NDArray[np.float64]
    side: NDArray[np.str_]

    def at(self, index: NDArray[np.intp]) -> _Observed:
        """Return these comparisons."""
        return _Observed(*(column[index] for column in self))


def _drawn(given: _Residuals, draws: NDArray[np.float64]) -> _Drawn:
    """Reduce draws (rows of weights) to the effect and the variance that each would show."""
    residual, share, pull, slope = given
    twice = draws**2
    mean = row_products(residual, draws), slope * row_products(pull, draws)
    cross = row_products(residual * share, draws), slope * row_products(pull * share, draws)
    square = (
        row_products(residual**2, twice),
        -2.0 * slope * row_products(residual * pull, twice),
        slope**2 * row_products(pull**2, twice),
    )
    spread = np.sum(share**2, axis=-1, keepdims=True)
    variance = (
        square[0] - 2.0 * mean[0] * cross[0] + mean[0] ** 2 * spread,
        square[1] + 2.0 * (mean[0] * cross[1] + mean[1] * cross[0]) - 2.0 * mean[0] * mean[1] * spread,
        square[2] - 2.0 * mean[1] * cross[1] + mean[1] ** 2 * spread,
    )
    effect = np.stack([mean[0][1] - mean[0][0], mean[1][0] - mean[1][1]])
    return _Drawn(effect, *(np.stack([np.sum(term, axis=0) for term in terms]) for terms in (variance, square)))


def _share_extreme(
    drawn: _Drawn, observed: _Observed, tau: NDArray[np.float64] | float, is_exact: bool
) -> NDArray[np.float64]:
    """Return the p-value of the hypothesis that the effect is ``tau``, for each comparison."""
    power = np.broadcast_to(tau, observed.effect.shape)[:, np.newaxis]
    effect = drawn.effect[0] + power * drawn.effect[1]
    variance, scale = (q[0] + power * (q[1] + power * q[2]) for q in (drawn.variance, drawn.square))
    # The terms cancel where every residual total of an arm is its leverage's share of the drawn mean.
    se = np.sqrt(np.where(variance > 1e-13 * scale, variance, 0.0))
    bar = (observed.effect - tau)[:, np.newaxis] / observed.se[:, np.newaxis] * se
    slack = _TIE * (np.abs(effect) + np.abs(bar) + np.sqrt(np.maximum(scale, 0.0)))
    gap = effect - bar
    gap[observed.side == "less"] *= -1.0
    both = observed.side == "two_sided"
    gap[both] = np.abs(effect[both]) - np.abs(bar[both])
    extreme, number = np.sum(gap >= -slack, axis=1), gap.shape[1]
    return extreme / number if is_exact else (1.0 + extreme) / (1.0 + number)


def _limit(
    drawn: _Drawn, observed: _Observed, alpha: NDArray[np.float64], is_exact: bool, sign: float
) -> NDArray[np.float64]:
    """Find where, going up or down from the estimate, effects begin to be rejected."""
    reach = np.where(np.isfinite(observed.se), sign * _REACH * observed.se, np.nan)
    kept = np.ones(reach.shape, dtype=bool)
    for _ in range(_DOUBLINGS):
        kept = _share_extreme(drawn, observed, observed.effect + reach, is_exact) > alpha
        if not kept.any():
            break
        reach = np.where(kept, 2.0 * reach, reach)
    inner, outer = np.zeros(reach.shape), reach
    for _ in range(_HALVINGS):
        middle = (inner + outer) / 2.0
        inside = _share_extreme(drawn, observed, observed.effect + middle, is_exact) > alpha
        inner, outer = np.where(inside, middle, inner), np.where(inside, outer, middle)
    return np.where(kept, sign * np.inf, observed.effect + inner)


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
    cluster: npt.ArrayLike | None = None,
    weights: str = "rademacher",
    impose_null: bool = True,
    scores: str = "residuals",
    draws: int = 9999,
    seed: npt.ArrayLike = 0,
    alpha: npt.ArrayLike | None = 0.05,
    alternative: npt.ArrayLike = "two_sided",
    comparisons: int | None = None,
) -> WildBootstrap:
    """Test two-arm differences with the wild cluster bootstrap-t.

    With the null imposed this is WCR (boottest's default, type "11"): residuals come from the pooled mean. Without,
    WCU: residuals come from each arm and the drawn effect is taken around the estimate. The studentisation is
    cluster-robust with one factor for all draws, so CR0, CR1 and CR1S give the same p-value. Draws that tie with the
    observed statistic count as extreme (strict counting omits the observed draw and its mirror image, 2 of 2**G).

    The interval inverts the test: with the null imposed, each effect is taken from the treated clusters before the
    residuals are, and every draw's statistic is a rational function of it, so the limits are found by bisection on the
    same draws. A p-value need not fall steadily; the limits are the crossings that doubling the distance from the
    estimate brackets first.

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
    cluster : array_like, shape (R,), optional
        Name of the cluster (any sortable labels), by which it gets its draws. Without names its totals stand for it:
        where they are sums whose last digits depend on the order of summation, so do the draws.
    weights : {"rademacher", "webb"}, default "rademacher"
        Signs, or Webb's six points, which have more distinct draws below ten clusters.
    impose_null : bool, default True
        WCR (True) keeps its level with fewer clusters than WCU.
    scores : {"residuals", "jackknifed"}, default "residuals"
        What the weights multiply: a cluster's residuals, or those around a mean that the cluster had no part in, which
        are larger by ``1 / (1 - share)``. The former is the classic bootstrap (WCR-C), which rejects too often with
        ten clusters of very unequal size; the latter (WCR-S) holds there. With equal sizes they agree.
    draws : int, default 9999
        Monte Carlo draws. As in boottest, Rademacher signs are enumerated instead when there are no more than ``draws``
        sign vectors, ``2**G <= draws``.
    seed : array_like of int, default 0
        Seed of the Monte Carlo draws, one or one per comparison; comparisons with as many clusters share the draws,
        each with its clusters in an order of its own seed. A comparison's p-value depends on its own rows and seed
        alone: neither on their order nor on the other comparisons.
    alpha : array_like or None, default 0.05
        One minus the interval's confidence, one or one per comparison. The search for the limits takes most of the
        time; None leaves it out, and the limits NaN.
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
        For unknown weights, scores or alternative, alpha outside (0, 1), draws below 1, or columns that do not describe
        the same rows.

    References
    ----------
    Cameron, A. C., Gelbach, J. B. and Miller, D. L. (2008). Bootstrap-based improvements for inference with clustered
    errors. Review of Economics and Statistics 90, 414-427. MacKinnon, J. G., Nielsen, M. Ø. and Webb, M. D. (2023).
    Fast and reliable jackknife and bootstrap methods for cluster-robust inference. Journal of Applied Econometrics 38,
    671-694: the transformed scores. Webb, M. D. (2023). Reworking wild bootstrap-based inference
    for clustered errors. Canadian Journal of Economics 56, 839-858.

    Examples
    --------
    >>> got = wild_cluster_bootstrap([0] * 6, [0, 0, 0, 1, 1, 1], [10, 20, 30, 10, 20, 30], [1, 4, 10, 4, 7, 13])
    >>> round(float(got.statistic[0]), 4), float(got.p_value[0]), int(got.draws[0]), bool(got.is_exact[0])
    (2.4125, 0.0625, 64, True)
    """
    if weights not in WEIGHTS:
        raise ValueError(f"weights must be one of {', '.join(WEIGHTS)}; found {weights!r}")
    if scores not in SCORES:
        raise ValueError(f"scores must be one of {', '.join(SCORES)}; found {scores!r}")
    if draws < 1:
        raise ValueError(f"draws must be at least 1; found {draws}")
    side, level = check_alternative(alternative), check_alpha(0.5 if alpha is None else alpha)
    denominator = size if denominator is None else denominator
    name = np.zeros(np.shape(size)) if cluster is None else np.asarray(cluster)
    index, count = cluster_rows(
        comparison, comparisons, treated=treated, size=size, numerator=numerator, denominator=denominator, cluster=name
    )
    side, level = np.broadcast_to(side, (count,)), np.broadcast_to(level, (count,))
    arm = np.asarray(treated).astype(bool).astype(np.intp)
    units, total, base = (np.asarray(x, dtype=np.float64) for x in (size, numerator, denominator))
    order = np.lexsort((total, base, np.unique(name, return_inverse=True)[1], arm, index))
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
        constant = ~(variance > (8.0 * np.finfo(np.float64).eps) ** 2 * noise)
        valid = (arm_clusters.reshape(-1, 2).min(axis=1) >= 2.0) & (bad.reshape(-1, 2).sum(axis=1) == 0.0)
        valid &= np.isfinite(variance) & ~constant
        effect = value[1::2] - value[0::2]
        se = np.where(valid, np.sqrt(variance), np.nan)
        both = base_sum[0::2] + base_sum[1::2]
        treated_share = base_sum[1::2] / both
        own_part = base / both[index] if impose_null else share
        inflation = 1.0 / (1.0 - own_part) if scores == "jackknifed" else np.ones_like(base)

    observed = _Observed(effect, se, side)
    clusters = np.bincount(index, minlength=count)
    first = (np.cumsum(clusters) - clusters)[index]
    position = np.arange(index.size) - first
    drawn_order = np.lexsort((reproducible_order(np.broadcast_to(np.asarray(seed), (count,))[index], position), index))
    position[drawn_order] = np.arange(index.size) - first
    exact = (clusters <= np.log2(draws)) if weights == "rademacher" else np.zeros(count, dtype=bool)
    points = WEIGHTS[weights]
    p_value, ci_low, ci_high = np.full((3, count), np.nan)
    used = np.zeros(count, dtype=np.int64)
    local = np.full(count, -1)
    for group, width, is_exact in _sizes(clusters, exact):
        grouped = group[valid[group]]
        total_draws = 1 << width if is_exact else draws
        # Every draw is kept until the limits are found.
        together = max(1, _BLOCK // total_draws)
        for members in np.split(grouped, range(together, grouped.size, together)) if grouped.size else ():
            local[:] = -1
            local[members] = np.arange(members.size)
            rows = np.flatnonzero(local[index] >= 0)
            residual, leverage, pull = np.zeros((3, 2, members.size, width))
            slot = (arm[rows], local[index[rows]], position[rows])
            residual[slot] = ((restricted if impose_null else unrestricted) * inflation)[rows]
            leverage[slot] = share[rows]
            pull[slot] = (share * inflation)[rows]
            slope = np.stack([-treated_share[members], 1.0 - treated_share[members]])[:, :, np.newaxis]
            given = _Residuals(residual, leverage, pull, slope if impose_null else np.zeros_like(slope))
            step = max(1, _BLOCK // max(members.size, width))
            generator = np.random.default_rng(0)
            blocks = []
            for start in range(0, total_draws, step):
                stop = min(start + step, total_draws)
                if is_exact:
                    block = _sign_vectors(width, start, stop)
                else:
                    # Default-width integers leave no bits behind, so that the size of a block does not change the
                    # draws.
                    block = points[generator.integers(points.size, size=(stop - start, width))]
                blocks.append(_drawn(given, block))
            drawn = _Drawn(*(np.concatenate(parts, axis=-1) for parts in zip(*blocks, strict=True)))
            own = observed.at(members)
            p_value[members] = _share_extreme(drawn, own, 0.0, is_exact)
            used[members] = total_draws
            for limits, closed, sign in () if alpha is None else ((ci_low, "greater", -1.0), (ci_high, "less", 1.0)):
                bounded = np.isin(own.side, ("two_sided", closed))
                found = _limit(drawn, own, level[members], is_exact, sign) if bounded.any() else sign * np.inf
                limits[members] = np.where(bounded, found, sign * np.inf)
    with np.errstate(all="ignore"):
        n = cell_sum(units, index, count)
        stata = clusters / (clusters - 1.0) * (n - 1.0) / (n - 2.0)
        error = se * np.sqrt(stata)
    return WildBootstrap(effect, effect / error, p_value, used, exact & valid, error, ci_low, ci_high)
