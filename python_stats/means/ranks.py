"""Rank comparisons of two arms from rank sums and tie terms.

Units of both arms are ranked together, ties sharing their mean rank. The rank sum of one arm, the sizes and the tie
term ``sum(t**3 - t)`` over groups of t tied units are all that the Mann-Whitney test needs. The direction is always
treatment against control: a probability of superiority above one half says that treatment units tend to be larger.
"""

from __future__ import annotations

from functools import lru_cache
from math import comb
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray
from scipy.special import ndtr

from python_stats.arguments import check_axis, takes_summaries
from python_stats.wald import Comparison, check_alternative, wald

METHODS = ("auto", "asymptotic", "exact")

# Up to this many units in either arm, the table of exact counts is a few megabytes and built once.
EXACT_LIMIT = 30


class RankTest(NamedTuple):
    """A Mann-Whitney test, one element per cell.

    Attributes
    ----------
    u : ndarray
        Pairs (treatment unit, control unit) in which the treatment is larger, ties counting one half. It is R's ``W``
        of ``wilcox.test(treatment, control)``.
    superiority : ndarray
        ``u`` as a share of all pairs: the probability of superiority (common-language effect size, area under the ROC
        curve).
    statistic : ndarray
        Standardised ``u`` with the variance corrected for ties (and the continuity correction where asked for).
    p_value : ndarray
        p-value for the stated alternative.
    is_exact : ndarray of bool
        Whether the p-value comes from the permutation distribution instead of the normal one.
    """

    u: NDArray[np.float64]
    superiority: NDArray[np.float64]
    statistic: NDArray[np.float64]
    p_value: NDArray[np.float64]
    is_exact: NDArray[np.bool_]


class RankSums(NamedTuple):
    """What `mann_whitney` needs of a cell."""

    rank_sum_treatment: NDArray[np.float64]
    n_control: NDArray[np.float64]
    n_treatment: NDArray[np.float64]
    tie_term: NDArray[np.float64]


def rank_sums_with_zeros(
    rank_sum_treatment: npt.ArrayLike,
    tie_term: npt.ArrayLike,
    n_control: npt.ArrayLike,
    n_treatment: npt.ArrayLike,
    n_zero_control: npt.ArrayLike,
    n_zero_treatment: npt.ArrayLike,
    *,
    n_negative_treatment: npt.ArrayLike = 0,
    n_negative: npt.ArrayLike = 0,
) -> RankSums:
    """Merge the block of zeros into the rank sums of the units whose value is not zero.

    The zeros are one group of ties above the negative and below the positive values, so they need not be stored:
    every positive unit moves up by the number of zeros.

    Parameters
    ----------
    rank_sum_treatment, tie_term : array_like
        Rank sum of the treatment's non-zero units among all non-zero units, and the tie term among these.
    n_control, n_treatment : array_like
        Non-zero units in the arms.
    n_zero_control, n_zero_treatment : array_like
        Units with the value zero in the arms.
    n_negative_treatment, n_negative : array_like, default 0
        Units below zero in the treatment, and in both arms together.

    Returns
    -------
    RankSums
        Of all units.

    Examples
    --------
    >>> sums = rank_sums_with_zeros(5.0, 0.0, 1, 2, 2, 1)  # control 0, 0, 7; treatment 0, 3, 9
    >>> float(sums.rank_sum_treatment), float(sums.tie_term)
    (13.0, 24.0)
    """
    names = (rank_sum_treatment, tie_term, n_control, n_treatment, n_zero_control, n_zero_treatment)
    parts = (np.asarray(part, dtype=np.float64) for part in (*names, n_negative_treatment, n_negative))
    rank_sum, ties, size_c, size_t, zero_c, zero_t, negative_t, negative = np.broadcast_arrays(*parts)
    with np.errstate(all="ignore"):
        zeros = zero_c + zero_t
        rank_of_zero = negative + (zeros + 1.0) / 2.0
        return RankSums(
            rank_sum_treatment=rank_sum + (size_t - negative_t) * zeros + zero_t * rank_of_zero,
            n_control=size_c + zero_c,
            n_treatment=size_t + zero_t,
            tie_term=ties + zeros**3 - zeros,
        )


@takes_summaries("one rank sum and the number of units", "scipy.stats.rankdata ranks the units of both arms together")
def mann_whitney(
    rank_sum_treatment: npt.ArrayLike,
    n_control: npt.ArrayLike,
    n_treatment: npt.ArrayLike,
    tie_term: npt.ArrayLike = 0.0,
    *,
    method: str = "auto",
    continuity: bool = True,
    alternative: npt.ArrayLike = "two_sided",
) -> RankTest:
    """Mann-Whitney (Wilcoxon rank-sum) test from the treatment's rank sum.

    ``"asymptotic"`` uses the normal distribution with the variance corrected for ties; the continuity correction of
    one half is on by default, as in R's ``wilcox.test`` and SciPy (R's coin has none). ``"exact"`` counts the
    arrangements without ties; with ties, or more than 30 units in an arm, it has no answer (SciPy's ignores the ties
    and is wrong then): see `mann_whitney_conditional`. ``"auto"`` is exact where that has an answer, else asymptotic.
    The exact two-sided p-value is twice the smaller tail.

    Parameters
    ----------
    rank_sum_treatment : array_like
        Sum of the treatment units' ranks among the units of both arms, mean ranks for ties.
    n_control, n_treatment : array_like
        Units in the arms.
    tie_term : array_like, default 0
        Sum of ``t**3 - t`` over the groups of t units with the same value.
    method : {"auto", "asymptotic", "exact"}, default "auto"
        Reference distribution.
    continuity : bool, default True
        Whether the normal approximation moves the statistic half a step towards the null hypothesis.
    alternative : array_like of str, default "two_sided"
        ``"two_sided"``, ``"greater"`` (treatment tends to be larger) or ``"less"``, one or one per cell.

    Returns
    -------
    RankTest
        Arrays of the common shape. Everything is NaN where an arm is empty, a number is missing or the rank sum is
        impossible; statistic and p-value are NaN where all units are tied, and the p-value where ``"exact"`` has no
        answer.

    Raises
    ------
    ValueError
        For an unknown method or alternative.

    References
    ----------
    Mann, H. B. and Whitney, D. R. (1947). On a test of whether one of two random variables is stochastically larger
    than the other. Annals of Mathematical Statistics 18, 50-60.

    Examples
    --------
    >>> result = mann_whitney(90.0, 5, 10, alternative="greater")  # Hollander & Wolfe (1973), p. 69
    >>> float(result.u), round(float(result.p_value), 6), bool(result.is_exact)
    (35.0, 0.127206, True)
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}; found {method!r}")
    side = check_alternative(alternative)
    parts = (np.asarray(part, dtype=np.float64) for part in (rank_sum_treatment, n_control, n_treatment, tie_term))
    rank_sum, size_c, size_t, ties, side = np.broadcast_arrays(*parts, side)
    with np.errstate(all="ignore"):
        u = rank_sum - size_t * (size_t + 1.0) / 2.0
        pairs = size_c * size_t
        usable = (size_c >= 1.0) & (size_t >= 1.0) & np.isfinite(pairs) & (u >= 0.0) & (u <= pairs) & (ties >= 0.0)
        u, pairs = (np.where(usable, part, np.nan) for part in (u, pairs))
        statistic = _standardised(u, size_c, size_t, ties, side, continuity)
        countable = usable & (ties == 0.0) & (u == np.floor(u)) & (np.maximum(size_c, size_t) <= EXACT_LIMIT)
        p_value = np.full(u.shape, np.nan) if method == "exact" else _normal_p(statistic, side)
    exact = countable if method != "asymptotic" else np.zeros(u.shape, dtype=np.bool_)
    if exact.any():
        index = (np.where(exact, part, 0.0).astype(np.int64) for part in (size_c, size_t, u))
        p_value = np.where(exact, _exact_p(*index, side), p_value)
    return RankTest(u, u / pairs, statistic, p_value, exact)


def mann_whitney_conditional(
    counts_control: npt.ArrayLike,
    counts_treatment: npt.ArrayLike,
    *,
    alternative: npt.ArrayLike = "two_sided",
    max_units: int = 100,
) -> RankTest:
    """Exact Mann-Whitney test with ties, conditional on the observed values, for small cells.

    The permutation distribution of the mid-rank sum is built value by value. This is ``wilcox_test(...,
    distribution = "exact")`` of R's coin, whose two-sided p-value it shares: the probability of a rank sum at least as
    far from its expectation. Without ties it agrees with ``mann_whitney(method="exact")``.

    Unlike the rest it works cell by cell, some hundredths of a second for a cell of 100 units: it is for the few cells
    that are both small and tied.

    Parameters
    ----------
    counts_control, counts_treatment : array_like
        Units of each arm at each distinct value, in ascending order of the value, shape (cells, values); pad with 0.
    alternative : array_like of str, default "two_sided"
        ``"two_sided"``, ``"greater"`` or ``"less"``, one or one per cell.
    max_units : int, default 100
        Cells with more units in both arms together have no p-value.

    Returns
    -------
    RankTest
        Arrays of the cells' shape; ``statistic`` has no continuity correction. The p-value is NaN, and ``is_exact``
        false, where an arm is empty, a count is missing, negative or not whole, all units are tied, or the cell is too
        large.

    Raises
    ------
    UnknownAlternativeError
        For an unknown alternative; it is a ValueError.

    References
    ----------
    Streitberg, B. and Roehmel, J. (1986). Exact distributions for permutation and rank tests. Statistical Software
    Newsletter 12, 10-17.

    Examples
    --------
    >>> result = mann_whitney_conditional([3, 1, 0], [0, 2, 2])  # control 0, 0, 0, 1; treatment 1, 1, 2, 2
    >>> float(result.u), round(float(result.p_value), 6)
    (15.0, 0.085714)
    """
    side = check_alternative(alternative)
    control, treatment = np.broadcast_arrays(
        np.asarray(counts_control, dtype=np.float64), np.asarray(counts_treatment, dtype=np.float64)
    )
    check_axis("values", counts_control=control, counts_treatment=treatment)
    shape = np.broadcast_shapes(control.shape[:-1], side.shape)
    control, treatment = (
        np.broadcast_to(counts, (*shape, counts.shape[-1])).reshape(-1, counts.shape[-1])
        for counts in (control, treatment)
    )
    side = np.broadcast_to(side, shape).ravel()
    with np.errstate(all="ignore"):
        valid = ((control >= 0.0) & (treatment >= 0.0) & (control % 1.0 == 0.0) & (treatment % 1.0 == 0.0)).all(axis=1)
        together = control + treatment
        mid_rank = np.cumsum(together, axis=1) - (together - 1.0) / 2.0
        size_c, size_t = control.sum(axis=1), treatment.sum(axis=1)
        rank_sum, ties = (treatment * mid_rank).sum(axis=1), (together**3 - together).sum(axis=1)
    base = mann_whitney(
        np.where(valid, rank_sum, np.nan),
        size_c,
        size_t,
        ties,
        method="asymptotic",
        continuity=False,
        alternative=side,
    )
    p_value = np.full(len(control), np.nan)
    for cell in np.flatnonzero(np.isfinite(base.statistic) & (size_c + size_t <= max_units)):
        p_value[cell] = _conditional_p(control[cell].astype(int), treatment[cell].astype(int), str(side[cell]))
    parts = (base.u, base.superiority, base.statistic, p_value, np.isfinite(p_value))
    return RankTest(*(part.reshape(shape) for part in parts))


@takes_summaries("the variance of the placements and the number of units")
def brunner_munzel(
    superiority: npt.ArrayLike,
    var_placement_control: npt.ArrayLike,
    n_control: npt.ArrayLike,
    var_placement_treatment: npt.ArrayLike,
    n_treatment: npt.ArrayLike,
    *,
    alpha: npt.ArrayLike = 0.05,
    alternative: npt.ArrayLike = "two_sided",
) -> Comparison:
    """Brunner-Munzel test and interval of the probability of superiority.

    The Mann-Whitney test assumes equal distributions under its null hypothesis, so it gives no interval for the
    probability of superiority and is wrong for it when the arms differ in spread. Here the variance comes from the
    placements, with Welch-type degrees of freedom.

    Parameters
    ----------
    superiority : array_like
        Probability of superiority, ``RankTest.superiority``.
    var_placement_control, var_placement_treatment : array_like
        Sample variances (divisor ``n - 1``) of the units' placements: the share of the other arm's units that the unit
        exceeds, ties counting one half, which is ``(rank in both arms - rank in its arm) / size of the other arm``.
    n_control, n_treatment : array_like
        Units in the arms.
    alpha, alternative : array_like
        As in `python_stats.wald`; ``"greater"`` is a probability above one half.

    Returns
    -------
    Comparison
        ``effect`` is the probability of superiority, tested against one half; the limits are cut to [0, 1], the open
        one of a one-sided interval included. NaN where an arm has fewer than two units, a number is missing, or both
        variances are zero (complete separation).

    Raises
    ------
    AlphaError, UnknownAlternativeError
        For wrong arguments; both are ValueErrors.

    References
    ----------
    Brunner, E. and Munzel, U. (2000). The nonparametric Behrens-Fisher problem. Biometrical Journal 42, 17-25.

    Examples
    --------
    >>> result = brunner_munzel(0.6, 0.08, 50, 0.06, 40)
    >>> round(float(result.statistic), 6), round(float(result.p_value), 6), round(float(result.ci_low), 6)
    (1.796053, 0.075941, 0.489342)
    """
    parts = []
    for variance, n in ((var_placement_control, n_control), (var_placement_treatment, n_treatment)):
        size, spread = np.asarray(n, dtype=np.float64), np.asarray(variance, dtype=np.float64)
        with np.errstate(invalid="ignore"):
            size = np.where(np.isfinite(size) & (size >= 2.0), size, np.nan)
            parts.append((np.where(spread >= 0.0, spread, np.nan) / size, size - 1.0))
    (part_c, free_c), (part_t, free_t) = parts
    with np.errstate(all="ignore"):
        total = part_c + part_t
        df = total**2 / (part_c**2 / free_c + part_t**2 / free_t)
        result = wald(superiority, np.sqrt(total), df, alpha=alpha, alternative=alternative, null=0.5)
        return result._replace(ci_low=np.clip(result.ci_low, 0.0, 1.0), ci_high=np.clip(result.ci_high, 0.0, 1.0))


def _standardised(
    u: NDArray[np.float64],
    size_c: NDArray[np.float64],
    size_t: NDArray[np.float64],
    ties: NDArray[np.float64],
    side: NDArray[np.str_],
    continuity: bool,
) -> NDArray[np.float64]:
    total, pairs = size_c + size_t, size_c * size_t
    variance = pairs / 12.0 * (total + 1.0 - ties / (total * (total - 1.0)))
    # All units tied: what is left of the variance is rounding.
    variance = np.where(variance > 1e-12 * pairs * total, variance, np.nan)
    away = u - pairs / 2.0
    if continuity:
        away = away - 0.5 * np.where(side == "two_sided", np.sign(away), np.where(side == "greater", 1.0, -1.0))
    return away / np.sqrt(variance)


def _normal_p(statistic: NDArray[np.float64], side: NDArray[np.str_]) -> NDArray[np.float64]:
    tail = ndtr(np.where(side == "two_sided", -np.abs(statistic), np.where(side == "greater", -statistic, statistic)))
    return np.where(side == "two_sided", 2.0 * tail, tail)


@lru_cache(maxsize=1)
def _cumulative_counts() -> NDArray[np.float64]:
    """P(U <= u) without ties for all sizes up to the limit, indexed (size, size, u)."""
    limit = EXACT_LIMIT
    ways = np.zeros((limit + 1, limit + 1, limit * limit + 1))
    ways[0, :, 0] = ways[:, 0, 0] = 1.0
    for m in range(1, limit + 1):
        for n in range(1, limit + 1):
            # The largest value belongs to the arm of m, and then exceeds all n of the other, or it does not.
            ways[m, n] = ways[m, n - 1]
            ways[m, n, n:] += ways[m - 1, n, : ways.shape[2] - n]
    return np.minimum(np.cumsum(ways, axis=2) / ways.sum(axis=2, keepdims=True), 1.0)


def _exact_p(
    size_c: NDArray[np.int64], size_t: NDArray[np.int64], u: NDArray[np.int64], side: NDArray[np.str_]
) -> NDArray[np.float64]:
    table = _cumulative_counts()
    less = table[size_t, size_c, u]
    # The distribution is symmetric, so an upper tail is a lower tail: nothing is subtracted from 1.
    greater = table[size_t, size_c, size_c * size_t - u]
    both = np.minimum(1.0, 2.0 * np.minimum(less, greater))
    return np.where(side == "two_sided", both, np.where(side == "greater", greater, less))


def _conditional_p(control: NDArray[np.int64], treatment: NDArray[np.int64], side: str) -> float:
    """p-value of one cell from the number of ways to give the smaller arm its units, by doubled mid-rank sum."""
    together = control + treatment
    kept = together > 0
    together, drawn = together[kept], (control if control.sum() < treatment.sum() else treatment)[kept]
    score = 2 * np.cumsum(together) - together + 1
    size = int(drawn.sum())
    ways = np.zeros((size + 1, int(score[-1]) * size + 1))
    ways[0, 0] = 1.0
    for group, points in zip(together.tolist(), score.tolist(), strict=True):
        before = ways.copy()
        for taken in range(1, min(group, size) + 1):
            step = taken * points
            ways[taken:, step:] += comb(group, taken) * before[: size + 1 - taken, : ways.shape[1] - step]
    mass = ways[size] / ways[size].sum()
    sums, seen = np.arange(mass.size), int((score * drawn).sum())
    if side == "two_sided":
        # In whole numbers: twice the doubled expectation is size * (total + 1) * 2.
        centre = size * (int(together.sum()) + 1)
        return float(min(1.0, mass[np.abs(sums - centre) >= abs(seen - centre)].sum()))
    drawn_is_control = control.sum() < treatment.sum()
    upwards = (side == "greater") != drawn_is_control
    return float(min(1.0, mass[sums >= seen].sum() if upwards else mass[sums <= seen].sum()))
