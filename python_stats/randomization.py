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

from python_stats.cluster_totals import cell_sum, cluster_rows
from python_stats.wald import check_alternative

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
    """

    effect: NDArray[np.float64]
    p_value: NDArray[np.float64]
    assignments: NDArray[np.int64]
    is_exact: NDArray[np.bool_]


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


def _statistic(
    assigned: NDArray[np.bool_],
    design: Design,
    total: NDArray[np.float64],
    base: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Average over strata of the difference of ratios, for every assignment (axis 0) and comparison (axis 1)."""
    result = np.zeros((assigned.shape[0], total.shape[0]))
    base_sum = np.sum(base, axis=1)
    first = 0
    for clusters, _ in design:
        own = slice(first, first + clusters)
        first += clusters
        indicator = assigned[:, own].astype(np.float64)
        stratum_total, stratum_base = total[:, own].sum(axis=1), base[:, own].sum(axis=1)
        treated_total, treated_base = indicator @ total[:, own].T, indicator @ base[:, own].T
        control_total, control_base = stratum_total - treated_total, stratum_base - treated_base
        with np.errstate(all="ignore"):
            result += (stratum_base / base_sum) * (treated_total / treated_base - control_total / control_base)
    return result


def _extreme(
    drawn: NDArray[np.float64], observed: NDArray[np.float64], tie: NDArray[np.float64], side: NDArray[np.str_]
) -> NDArray[np.int64]:
    """Count the assignments at least as extreme; one whose statistic is undefined cannot be ranked and counts too."""
    both = ~(np.abs(drawn) < np.abs(observed) - tie)
    upper = ~(drawn < observed - tie)
    lower = ~(drawn > observed + tie)
    return np.sum(np.where(side == "two_sided", both, np.where(side == "greater", upper, lower)), axis=0)


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
    statistic: str = "mean",
    draws: int = 9999,
    max_exact: int = 200_000,
    seed: int = 0,
    alternative: npt.ArrayLike = "two_sided",
    comparisons: int | None = None,
) -> RandomizationTest:
    """Test two-arm differences of clusters by re-drawing the assignment.

    The reference set is every assignment with as many treated clusters as observed, in each stratum when strata are
    given. ``"mean"`` compares unweighted means of the clusters' own values, ``"weighted"`` the arms' ratios of sums
    (the size-weighted difference that `python_stats.clusters.cluster_difference` estimates); their p-values differ.
    Stratified, the statistic is the average of the strata's differences, weighted by their number of clusters
    (``"mean"``) or their denominator (``"weighted"``); strata without both arms carry no information and are left out.
    The two-sided p-value counts ``|T| >= |observed|``.

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
    statistic : {"mean", "weighted"}, default "mean"
        What is compared.
    draws : int, default 9999
        Monte Carlo draws where the enumeration is too large.
    max_exact : int, default 200000
        Largest number of assignments that is enumerated; it includes 10 against 10 clusters (184 756).
    seed : int, default 0
        Seed of the Monte Carlo draws. A comparison's p-value depends on its own rows and the seed alone: neither on
        their order nor on the other comparisons.
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
        For an unknown statistic or alternative, draws or max_exact below 1, or columns that do not describe the same
        rows.

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
    """
    if statistic not in STATISTICS:
        raise ValueError(f"statistic must be one of {', '.join(STATISTICS)}; found {statistic!r}")
    if draws < 1 or max_exact < 1:
        raise ValueError(f"draws and max_exact must be at least 1; found {draws} and {max_exact}")
    side = check_alternative(alternative)
    denominator = size if denominator is None else denominator
    label = np.zeros(np.shape(size)) if stratum is None else np.asarray(stratum)
    index, count = cluster_rows(
        comparison, comparisons, treated=treated, size=size, numerator=numerator, denominator=denominator, stratum=label
    )
    side = np.broadcast_to(side, (count,))
    arm = np.asarray(treated).astype(bool)
    units, total, base = (np.asarray(x, dtype=np.float64) for x in (size, numerator, denominator))
    _, label = np.unique(label, return_inverse=True)
    present = units != 0.0
    if statistic == "mean":
        present &= base != 0.0

    # A number per stratum of a comparison; strata without both arms are left out.
    _, block = np.unique(index * (int(label.max(initial=0)) + 1) + label, return_inverse=True)
    blocks = int(block.max(initial=-1)) + 1
    arm_clusters = np.bincount(2 * block + arm, weights=present, minlength=2 * blocks).reshape(-1, 2)
    present &= np.all(arm_clusters > 0.0, axis=1)[block]
    index, arm, total, base, block = (column[present] for column in (index, arm, total, base, block))

    with np.errstate(all="ignore"):
        if statistic == "mean":
            total, base = total / base, np.where(base > 0.0, 1.0, -1.0)
        # The draws that a cluster gets must not depend on the order of the rows.
        order = np.lexsort((arm, total, base, block, index))
        index, arm, total, base, block = (column[order] for column in (index, arm, total, base, block))
        base_sum = cell_sum(base, index, count)
        magnitude = cell_sum(np.abs(total), index, count)
        pivot = cell_sum(total, index, count) / base_sum
        total = total - pivot[index] * base
        spread = cell_sum(np.abs(total), index, count)
        rounding = 16.0 * np.finfo(np.float64).eps * magnitude
        broken = cell_sum((~(base >= 0.0) | ~np.isfinite(total)).astype(np.float64), index, count) > 0.0
        tie = (_TIE * spread + rounding) / base_sum

        slot = 2 * block + arm
        ratio = cell_sum(total, slot, 2 * blocks) / cell_sum(base, slot, 2 * blocks)
        gap = ratio[1::2] - ratio[0::2]
        effect = cell_sum(base / base_sum[index] * gap[block], index, count)
    clusters = np.bincount(index, minlength=count)
    valid = (clusters >= 2) & ~broken & (spread > rounding) & np.isfinite(effect)
    effect = np.where((clusters >= 2) & ~broken, effect, np.nan)

    p_value = np.full(count, np.nan)
    used = np.zeros(count, dtype=np.int64)
    is_exact = np.zeros(count, dtype=bool)
    start_row = np.cumsum(clusters) - clusters
    for design, members in _designs(index, block, arm, valid):
        rows = start_row[members][:, np.newaxis] + np.arange(clusters[members[0]])
        possible = _possible(design, max_exact)
        number = draws if possible is None else possible
        generator = np.random.default_rng(seed)
        step = max(1, _BLOCK // max(rows.shape))
        extreme = np.zeros(members.size, dtype=np.int64)
        for start in range(0, number, step):
            stop = min(start + step, number)
            drawing = possible is None
            assigned = _drawn(design, stop - start, generator) if drawing else _enumerated(design, start, stop)
            drawn = _statistic(assigned, design, total[rows], base[rows])
            extreme += _extreme(drawn, effect[members], tie[members], side[members])
        p_value[members] = (1.0 + extreme) / (1.0 + draws) if possible is None else extreme / number
        used[members] = number
        is_exact[members] = possible is not None
    return RandomizationTest(effect, p_value, used, is_exact)
