"""Randomisation inference for clusters: the p-value that the assignment itself justifies.

Under the sharp null the outcome of every cluster would have been the same in the other arm, so the statistic can be
computed for each assignment that could have been drawn. No distribution is assumed; that is what makes it the reference
when clusters are few or of very different size.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import combinations
from math import comb, prod
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray
from scipy.special import gammaln

from python_stats.clusters.totals import cell_sum, cluster_rows
from python_stats.reproducible_order import reproducible_order
from python_stats.row_products import row_products
from python_stats.wald import check_alpha, check_alternative

# Per stratum: its clusters, and how many of them are treated.
Design = tuple[tuple[int, int], ...]

STATISTICS = ("mean", "weighted")

# Statistics equal in exact arithmetic differ by rounding; within this share of the data's spread they count as ties.
_TIE = 1e-10
# Elements of one block of assignments by comparisons, to bound memory.
_BLOCK = 4_000_000


class RandomizationTest(NamedTuple):
    """Result of randomisation inference, one element per comparison.

    Attributes
    ----------
    effect : ndarray
        The statistic at the observed assignment, treatment minus control, in the metric's unit.
    p_value : ndarray
        Share of assignments whose statistic is at least as extreme, ties counted.
    assignments : ndarray of int
        Assignments that the share is taken over; 0 where there is no p-value. No exact p-value can be below
        ``1 / assignments`` (twice that, two-sided, when the arms have as many clusters).
    is_exact : ndarray of bool
        Whether they are all the assignments that could have been drawn.
    ci_low, ci_high : ndarray
        The constant effects that the test does not reject at alpha; infinite on the open side of a one-sided
        alternative, and where there are too few assignments to reject anything.
    """

    effect: NDArray[np.float64]
    p_value: NDArray[np.float64]
    assignments: NDArray[np.int64]
    is_exact: NDArray[np.bool_]
    ci_low: NDArray[np.float64]
    ci_high: NDArray[np.float64]


class _Members(NamedTuple):
    """Comparisons of one design, clusters on the last axis: what every assignment is applied to."""

    totals: NDArray[np.float64]
    base: NDArray[np.float64]
    covariate: NDArray[np.float64] | None
    covariate_base: NDArray[np.float64] | None
    theta: NDArray[np.float64]


@lru_cache(maxsize=32)
def _choices(clusters: int, treated: int) -> NDArray[np.bool_]:
    """All ways to treat this many of the clusters, one per row."""
    total = comb(clusters, treated)
    chosen = np.fromiter(
        (position for choice in combinations(range(clusters), treated) for position in choice), int, total * treated
    )
    table = np.zeros((total, clusters), dtype=bool)
    table[np.repeat(np.arange(total), treated), chosen] = True
    table.flags.writeable = False
    return table


def _enumerated(design: Design, start: int, stop: int) -> NDArray[np.bool_]:
    """Rows ``start`` to ``stop`` of the product of every stratum's choices."""
    row = np.arange(start, stop)
    blocks = []
    for clusters, treated in reversed(design):
        table = _choices(clusters, treated)
        row, own = np.divmod(row, len(table))
        blocks.append(table[own])
    return np.concatenate(blocks[::-1], axis=1)


def _drawn(design: Design, draws: int, generator: np.random.Generator) -> NDArray[np.bool_]:
    """Draw assignments, within each stratum every choice equally likely."""
    key = generator.random((draws, sum(clusters for clusters, _ in design)))
    chosen = np.zeros(key.shape, dtype=bool)
    first = 0
    for clusters, treated in design:
        own = np.argsort(key[:, first : first + clusters], axis=1)[:, :treated]
        np.put_along_axis(chosen[:, first : first + clusters], own, True, axis=1)
        first += clusters
    return chosen


def _differences(
    assigned: NDArray[np.bool_], design: Design, totals: NDArray[np.float64], base: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Average over strata of the difference of ratios, by kind of total, assignment and comparison (axes 0 to 2)."""
    result = np.zeros((len(totals), assigned.shape[0], base.shape[0]))
    base_sum = np.sum(base, axis=1)
    first = 0
    for clusters, _ in design:
        own = slice(first, first + clusters)
        first += clusters
        indicator = assigned[:, own].astype(np.float64)
        stratum_base = base[:, own].sum(axis=1)
        treated_base = row_products(base[:, own], indicator).T
        for kind, total in enumerate(totals):
            stratum_total, treated_total = total[:, own].sum(axis=1), row_products(total[:, own], indicator).T
            with np.errstate(all="ignore"):
                gap = treated_total / treated_base - (stratum_total - treated_total) / (stratum_base - treated_base)
                result[kind] += stratum_base / base_sum * gap
    return result


def _statistic(
    assigned: NDArray[np.bool_], design: Design, of: _Members
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the statistic of every assignment and comparison, and how much of a constant effect it would show."""
    statistic, shown = _differences(assigned, design, of.totals, of.base)
    if of.covariate is not None:
        own = _differences(assigned, design, of.covariate[np.newaxis], of.covariate_base)[0]
        statistic = statistic - np.where(of.theta != 0.0, of.theta * own, 0.0)
    return statistic, shown


def _extreme(
    drawn: NDArray[np.float64], observed: NDArray[np.float64], tie: NDArray[np.float64], side: NDArray[np.str_]
) -> NDArray[np.int64]:
    """Count the assignments at least as extreme; one whose statistic is undefined cannot be ranked and counts too."""
    both = ~(np.abs(drawn) < np.abs(observed) - tie)
    upper = ~(drawn < observed - tie)
    lower = ~(drawn > observed + tie)
    return np.sum(np.where(side == "two_sided", both, np.where(side == "greater", upper, lower)), axis=0)


def _turning_points(
    drawn: NDArray[np.float64],
    shown: NDArray[np.float64],
    observed: NDArray[np.float64],
    tie: NDArray[np.float64],
    side: NDArray[np.str_],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Between which constant effects, relative to the estimate, an assignment is at least as extreme as the observed.

    With an effect of ``observed + u`` taken out of the treated clusters, the observed statistic is ``-u`` and that of
    another assignment ``c - u * shown`` with ``c = drawn - observed * shown``. It is at least as extreme on an interval
    of u around zero (two-sided), or on one side of a point (one-sided).
    """
    with np.errstate(all="ignore"):
        # Rounding must not carry a copy of the observed assignment over the pole.
        shown = np.clip(shown, -1.0, 1.0)
        c = drawn - observed * shown
        # The observed assignment and, two-sided, its mirror image are as extreme under every effect.
        copy = (np.abs(c) <= tie) & (np.where(side == "two_sided", np.abs(shown), shown) > 1.0 - _TIE) | np.isnan(c)
        one_sided = -c / (1.0 - shown)
        opposite = np.where(side == "two_sided", c / (1.0 + shown), one_sided)
        low = np.where(copy, -np.inf, np.minimum(one_sided, opposite))
        high = np.where(copy, np.inf, np.maximum(one_sided, opposite))
    return low, high


def _limits(
    low: NDArray[np.float64], high: NDArray[np.float64], alpha: NDArray[np.float64], total: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the outermost constant effects at which more than ``alpha`` of ``total`` assignments are as extreme."""
    # The observed assignment is among the drawn ones of an enumeration, and beside those of Monte Carlo.
    rank = np.floor(alpha * total + 1e-9).astype(np.intp) - (total - low.shape[0])
    result = np.full((2, low.shape[1]), np.inf)
    for k in np.unique(rank[rank >= 0]):
        own = rank == k
        result[0, own] = -np.partition(low[:, own], k, axis=0)[k]
        result[1, own] = -np.partition(-high[:, own], k, axis=0)[k]
    return -result[0], result[1]


def _possible(design: Design, most: int) -> int | None:
    """Count the assignments that could have been drawn; None when there are more than ``most``."""
    shape = np.array(design, dtype=np.float64)
    clusters, treated = shape[:, 0], shape[:, 1]
    # On the log scale first: the exact integer of a large design has thousands of digits.
    log_count = np.sum(gammaln(clusters + 1.0) - gammaln(treated + 1.0) - gammaln(clusters - treated + 1.0))
    if log_count > np.log(most) + 1.0:
        return None
    count = prod(comb(*stratum) for stratum in design)
    return count if count <= most else None


def _designs(
    index: NDArray[np.intp], block: NDArray[np.intp], arm: NDArray[np.bool_], valid: NDArray[np.bool_]
) -> Iterator[tuple[Design, NDArray[np.intp]]]:
    """Group the valid comparisons by their strata's numbers of clusters and of treated clusters."""
    if not np.any(valid):
        return
    owner, first = np.unique(block, return_index=True)
    clusters = np.bincount(block)[owner]
    treated = np.bincount(block, weights=arm)[owner].astype(int)
    comparison = index[first]
    strata = np.bincount(comparison, minlength=valid.size)
    place = np.arange(owner.size) - (np.cumsum(strata) - strata)[comparison]
    shape = np.zeros((valid.size, int(strata.max()), 2), dtype=int)
    shape[comparison, place] = np.stack([clusters, treated], axis=1)
    members = np.flatnonzero(valid)
    signatures, which = np.unique(shape[members].reshape(members.size, -1), axis=0, return_inverse=True)
    for number, signature in enumerate(signatures):
        design = tuple((int(c), int(t)) for c, t in signature.reshape(-1, 2) if c > 0)
        yield design, members[which.ravel() == number]


def randomization_test(
    comparison: npt.ArrayLike,
    treated: npt.ArrayLike,
    size: npt.ArrayLike,
    numerator: npt.ArrayLike,
    denominator: npt.ArrayLike | None = None,
    stratum: npt.ArrayLike | None = None,
    *,
    cluster: npt.ArrayLike | None = None,
    statistic: str = "mean",
    draws: int = 9999,
    max_exact: int = 200_000,
    seed: npt.ArrayLike = 0,
    covariate: npt.ArrayLike | None = None,
    covariate_denominator: npt.ArrayLike | None = None,
    theta: npt.ArrayLike = 0.0,
    alpha: npt.ArrayLike = 0.05,
    alternative: npt.ArrayLike = "two_sided",
    comparisons: int | None = None,
) -> RandomizationTest:
    """Test two-arm differences of clusters by re-drawing the assignment.

    The reference set is every assignment with as many treated clusters as observed, in each stratum when strata are
    given. ``"mean"`` compares unweighted means of the clusters' own values, ``"weighted"`` the arms' ratios of sums
    (the size-weighted difference that `python_stats.cluster_difference` estimates); their p-values differ.
    Stratified, the statistic is the average of the strata's differences, weighted by their number of clusters
    (``"mean"``) or their denominator (``"weighted"``); strata without both arms carry no information and are left out.
    The two-sided p-value counts ``|T| >= |observed|``.

    The interval inverts the test: it holds every effect which, taken from the treated clusters in proportion to their
    denominators, leaves a p-value above alpha. For these statistics each assignment is as extreme as the observed one
    on an interval of effects around the estimate, so the limits are order statistics, found without a search.

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
    stratum : array_like, shape (R,), optional
        Stratum within which the clusters were assigned (any sortable labels); one stratum when absent.
    cluster : array_like, shape (R,), optional
        Name of the cluster (any sortable labels), by which it gets its draws. Without names its totals stand for it:
        where they are sums whose last digits depend on the order of summation, so do the draws.
    statistic : {"mean", "weighted"}, default "mean"
        What is compared.
    draws : int, default 9999
        Monte Carlo draws where the enumeration is too large.
    max_exact : int, default 200000
        Largest number of assignments that is enumerated; it includes 10 against 10 clusters (184 756).
    seed : array_like of int, default 0
        Seed of the Monte Carlo draws, one or one per comparison; comparisons of one design share the draws, each with
        its clusters in an order of its own seed. A comparison's p-value depends on its own rows and seed alone: neither
        on their order nor on the other comparisons.
    covariate : array_like, shape (R,), optional
        Total of a covariate that was known before assignment, for ``"weighted"``: the statistic is then the difference
        of the metric minus ``theta`` times that of the covariate.
    covariate_denominator : array_like, shape (R,), optional
        Total of the covariate's own denominator; the size when absent.
    theta : array_like, default 0
        Coefficient of the covariate, one or one per comparison. The p-value is exact where it does not depend on the
        assignment, as the slope over both arms with one overall mean; the interval takes it as known.
    alpha : array_like, default 0.05
        One minus the interval's confidence, one or one per comparison.
    alternative : array_like of str, default "two_sided"
        ``"two_sided"``, ``"greater"`` or ``"less"``, one or one per comparison.
    comparisons : int, optional
        Number of comparisons; one more than the largest index when absent.

    Returns
    -------
    RandomizationTest
        A Monte Carlo p-value is ``(1 + extreme) / (1 + draws)``; an exact one counts the observed assignment, so
        neither is ever 0. NaN where no stratum has both arms, where all clusters have the same value, where a total is
        NaN or a denominator is negative. A cluster with a denominator of 0 has no mean and is left out of ``"mean"``.

    Raises
    ------
    ValueError
        For an unknown statistic or alternative, alpha outside (0, 1), draws or max_exact below 1, a covariate with
        ``"mean"``, or columns that do not describe the same rows.

    References
    ----------
    Fisher, R. A. (1935). The Design of Experiments. Gail, M. H. et al. (1996). On design considerations and
    randomization-based inference for community intervention trials. Statistics in Medicine 15, 1069-1092. Phipson, B.
    and Smyth, G. K. (2010). Permutation p-values should never be zero. Stat. Appl. Genet. Mol. Biol. 9, 39.

    Examples
    --------
    >>> got = randomization_test([0] * 6, [0, 0, 0, 1, 1, 1], size=[10] * 6, numerator=[1, 2, 3, 4, 6, 9])
    >>> round(float(got.effect[0]), 6), float(got.p_value[0]), int(got.assignments[0]), bool(got.is_exact[0])
    (0.433333, 0.1, 20, True)
    >>> got = randomization_test([0] * 8, [0] * 4 + [1] * 4, [10] * 8, [1, 2, 3, 4, 6, 9, 8, 7])
    >>> round(float(got.p_value[0]), 6), [round(float(x), 6) for x in (got.ci_low[0], got.ci_high[0])]
    (0.028571, [0.2, 0.8])
    """
    if statistic not in STATISTICS:
        raise ValueError(f"statistic must be one of {', '.join(STATISTICS)}; found {statistic!r}")
    if draws < 1 or max_exact < 1:
        raise ValueError(f"draws and max_exact must be at least 1; found {draws} and {max_exact}")
    if covariate is not None and statistic != "weighted":
        raise ValueError('a covariate needs statistic="weighted"')
    side, level = check_alternative(alternative), check_alpha(alpha)
    denominator = size if denominator is None else denominator
    pre = np.zeros(np.shape(size)) if covariate is None else covariate
    pre_denominator = size if covariate_denominator is None else covariate_denominator
    label = np.zeros(np.shape(size)) if stratum is None else np.asarray(stratum)
    name = np.zeros(np.shape(size)) if cluster is None else np.asarray(cluster)
    index, count = cluster_rows(
        comparison, comparisons, treated=treated, size=size, numerator=numerator, denominator=denominator,
        stratum=label, cluster=name, covariate=pre, covariate_denominator=pre_denominator,
    )  # fmt: skip
    side, level = np.broadcast_to(side, (count,)), np.broadcast_to(level, (count,))
    slope = np.broadcast_to(np.asarray(theta, dtype=np.float64), (count,))
    arm = np.asarray(treated).astype(bool)
    units, total, base, pre, pre_base = (
        np.asarray(x, dtype=np.float64) for x in (size, numerator, denominator, pre, pre_denominator)
    )
    _, label = np.unique(label, return_inverse=True)
    _, name = np.unique(name, return_inverse=True)
    # A cluster with units in both arms is one in each.
    name = name if cluster is None else 2 * name + arm
    present = units != 0.0
    if statistic == "mean":
        present &= base != 0.0

    # A number per stratum of a comparison; strata without both arms are left out.
    _, block = np.unique(index * (int(label.max(initial=0)) + 1) + label, return_inverse=True)
    blocks = int(block.max(initial=-1)) + 1
    arm_clusters = np.bincount(2 * block + arm, weights=present, minlength=2 * blocks).reshape(-1, 2)
    present &= np.all(arm_clusters > 0.0, axis=1)[block]
    columns = (index, arm, total, base, block, pre, pre_base, name)
    index, arm, total, base, block, pre, pre_base, name = (column[present] for column in columns)

    with np.errstate(all="ignore"):
        if statistic == "mean":
            total, base = total / base, np.where(base > 0.0, 1.0, -1.0)
        # The draws that a cluster gets must not depend on the order of the rows.
        order = np.lexsort((arm, pre, total, base, name, block, index))
        clusters = np.bincount(index, minlength=count)
        place = np.arange(index.size) - np.repeat(np.cumsum(clusters) - clusters, clusters)
        drawn_order = reproducible_order(np.broadcast_to(np.asarray(seed), (count,))[index[order]], place)
        order = order[np.lexsort((drawn_order, block[order], index[order]))]
        columns = (index, arm, total, base, block, pre, pre_base)
        index, arm, total, base, block, pre, pre_base = (column[order] for column in columns)
        total, base_sum, spread, rounding = _centred(index, count, total, base)
        pre, pre_sum, pre_spread, pre_rounding = _centred(index, count, pre, pre_base)
        used_slope = np.where(pre_spread <= pre_rounding, 0.0, slope) if covariate is not None else np.zeros(count)
        broken = ~(base >= 0.0) | ~np.isfinite(total)
        broken |= (used_slope[index] != 0.0) & (~(pre_base >= 0.0) | ~np.isfinite(pre))
        broken = (cell_sum(broken.astype(np.float64), index, count) > 0.0) | ~np.isfinite(used_slope)
        tie = (_TIE * spread + rounding) / base_sum
        tie += np.where(used_slope != 0.0, np.abs(used_slope) * (_TIE * pre_spread + pre_rounding) / pre_sum, 0.0)

        effect = _observed(index, count, arm, block, total, base)
        own = used_slope * _observed(index, count, arm, block, pre, pre_base)
        effect = effect - np.where(used_slope != 0.0, own, 0.0)
    valid = (clusters >= 2) & ~broken & (spread > rounding) & np.isfinite(effect)
    effect = np.where((clusters >= 2) & ~broken, effect, np.nan)

    p_value, ci_low, ci_high = np.full((3, count), np.nan)
    used = np.zeros(count, dtype=np.int64)
    is_exact = np.zeros(count, dtype=bool)
    start_row = np.cumsum(clusters) - clusters
    for design, designed in _designs(index, block, arm, valid):
        possible = _possible(design, max_exact)
        number = draws if possible is None else possible
        # Every assignment's turning points are kept until the last one is known.
        together = max(1, _BLOCK // number)
        for members in np.split(designed, range(together, designed.size, together)):
            rows = start_row[members][:, np.newaxis] + np.arange(clusters[members[0]])
            of = _Members(
                np.stack([total[rows], np.where(arm[rows], base[rows], 0.0)]),
                base[rows],
                pre[rows] if np.any(used_slope[members] != 0.0) else None,
                pre_base[rows],
                used_slope[members],
            )
            generator = np.random.default_rng(0)
            step = max(1, _BLOCK // max(rows.shape))
            extreme = np.zeros(members.size, dtype=np.int64)
            low, high = np.empty((2, number, members.size))
            for start in range(0, number, step):
                stop = min(start + step, number)
                drawing = possible is None
                assigned = _drawn(design, stop - start, generator) if drawing else _enumerated(design, start, stop)
                drawn, shown = _statistic(assigned, design, of)
                given = (effect[members], tie[members], side[members])
                extreme += _extreme(drawn, *given)
                low[start:stop], high[start:stop] = _turning_points(drawn, shown, *given)
            outside = _limits(low, high, level[members], number + (possible is None))
            p_value[members] = (1.0 + extreme) / (1.0 + draws) if possible is None else extreme / number
            ci_low[members] = np.where(side[members] == "less", -np.inf, effect[members] + outside[0])
            ci_high[members] = np.where(side[members] == "greater", np.inf, effect[members] + outside[1])
            used[members] = number
            is_exact[members] = possible is not None
    return RandomizationTest(effect, p_value, used, is_exact, ci_low, ci_high)


def _centred(
    index: NDArray[np.intp], count: int, total: NDArray[np.float64], base: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Centre totals on the comparison's ratio: centred totals, sum of the base, spread, and the spread of rounding."""
    base_sum = cell_sum(base, index, count)
    magnitude = cell_sum(np.abs(total), index, count)
    pivot = cell_sum(total, index, count) / base_sum
    centred = total - pivot[index] * base
    return centred, base_sum, cell_sum(np.abs(centred), index, count), 16.0 * np.finfo(np.float64).eps * magnitude


def _observed(
    index: NDArray[np.intp],
    count: int,
    arm: NDArray[np.bool_],
    block: NDArray[np.intp],
    total: NDArray[np.float64],
    base: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the statistic of the assignment that was made, for each comparison."""
    blocks = int(block.max(initial=-1)) + 1
    slot = 2 * block + arm
    ratio = cell_sum(total, slot, 2 * blocks) / cell_sum(base, slot, 2 * blocks)
    gap = ratio[1::2] - ratio[0::2]
    return cell_sum(base / cell_sum(base, index, count)[index] * gap[block], index, count)
