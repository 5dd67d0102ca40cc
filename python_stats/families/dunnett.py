"""Several treatments against one control: Dunnett's single-step test and simultaneous intervals."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray
from scipy.special import ndtr, stdtr, stdtrit

from python_stats.arguments import FROM_MOMENTS, check_axis, takes_summaries
from python_stats.means.welch import variance_above_rounding
from python_stats.wald import Comparison, check_alpha, check_alternative, tail_alpha

__all__ = ["ManyToOne", "dunnett", "many_to_one"]

FloatArray = NDArray[np.float64]

# Elements of one block of quadrature nodes (8 MB of floats).
BLOCK = 1_000_000
# Standard deviations beyond which a density adds nothing.
WIDE = 7.5
# Nodes of one probability at most.
MOST_NODES = 1_000_000
# Relative rounding of a variance that is a sum of parts.
ROUNDING_OF_VARIANCE = 1e-9
# Below this probability the sum of the single tests' tails stands for the joint tail, which it bounds closely.
UNION = 1e-12
# A control with less than 1/2500 of a treatment's precision is taken as having that: nodes would have to be finer.
SMALLEST_OWN_PART = 0.02
# Beyond this many standard deviations a normal tail is zero in double precision.
FAR = 40.0


class ManyToOne(NamedTuple):
    """Comparisons of several treatments with one control, the treatments on the last axis.

    Attributes
    ----------
    comparison : Comparison
        Effects with p-values adjusted for all treatments of the cell, and simultaneous intervals: the probability that
        all of them cover is ``1 - alpha``.
    critical_value : ndarray
        Number of standard errors from the effect to its limit.
    """

    comparison: Comparison
    critical_value: FloatArray


@takes_summaries("the mean, variance and number of units", FROM_MOMENTS)
def dunnett(
    mean_control: npt.ArrayLike,
    var_control: npt.ArrayLike,
    n_control: npt.ArrayLike,
    mean_treatment: npt.ArrayLike,
    var_treatment: npt.ArrayLike,
    n_treatment: npt.ArrayLike,
    *,
    equal_variances: bool = True,
    alpha: npt.ArrayLike = 0.05,
    alternative: npt.ArrayLike = "two_sided",
) -> ManyToOne:
    """Compare the means of several treatments with one control by Dunnett's single-step test.

    ``equal_variances=True`` is Dunnett's own test: one variance from all arms, one t reference (as
    ``scipy.stats.dunnett``). With False every comparison has Welch's standard error and degrees of
    freedom, and the correlations follow from the arms' own variances.

    Parameters
    ----------
    mean_control, var_control, n_control : array_like, shape (...)
        Moments of the control; the variance with n - 1.
    mean_treatment, var_treatment, n_treatment : array_like, shape (..., arms)
        Moments of the treatments; pad with NaN where a cell has fewer of them.
    equal_variances : bool, default True
        Whether all arms share one variance.
    alpha, alternative : array_like, shape (...)
        As in `python_stats.wald`, one or one per cell.

    Returns
    -------
    ManyToOne
        An arm with fewer than two units or without a standard error is NaN and does not count among the treatments.

    Raises
    ------
    ValueError
        For a wrong ``alpha`` or ``alternative``.

    References
    ----------
    Dunnett, C. W. (1955). A multiple comparison procedure for comparing several treatments with a control. Journal of
    the American Statistical Association 50, 1096-1121.

    Examples
    --------
    >>> result = dunnett(10.0, 4.0, 40, [11.0, 11.2], [4.0, 4.5], [40, 40])
    >>> result.comparison.p_value.round(4).tolist()
    [0.0561, 0.0184]
    """
    mean_c, var_c, n_c = (np.asarray(x, dtype=np.float64)[..., None] for x in (mean_control, var_control, n_control))
    mean_t, var_t, n_t = (np.asarray(x, dtype=np.float64) for x in (mean_treatment, var_treatment, n_treatment))
    check_axis("treatments", mean_treatment=mean_t, var_treatment=var_t, n_treatment=n_t)
    with np.errstate(all="ignore"):
        n_c, n_t = (np.where((n >= 2) & np.isfinite(n), n, np.nan) for n in (n_c, n_t))
        var_c, var_t = variance_above_rounding(var_c, mean_c), variance_above_rounding(var_t, mean_t)
        if equal_variances:
            present = np.isfinite(n_t) & np.isfinite(var_t) & np.isfinite(mean_t)
            df = n_c - 1 + np.where(present, n_t - 1, 0.0).sum(axis=-1, keepdims=True)
            products = var_c * (n_c - 1) + np.where(present, var_t * (n_t - 1), 0.0).sum(axis=-1, keepdims=True)
            part_c, part_t = products / df / n_c, np.where(present, products / df / n_t, np.nan)
        else:
            part_c, part_t = var_c / n_c, var_t / n_t
            df = (part_c + part_t) ** 2 / (part_c**2 / (n_c - 1) + part_t**2 / (n_t - 1))
        se = np.sqrt(part_c + part_t)
    return many_to_one(mean_t - mean_c, se, part_c[..., 0], df, alpha=alpha, alternative=alternative)


def many_to_one(
    effect: npt.ArrayLike,
    se: npt.ArrayLike,
    control_variance: npt.ArrayLike,
    df: npt.ArrayLike = np.inf,
    *,
    alpha: npt.ArrayLike = 0.05,
    alternative: npt.ArrayLike = "two_sided",
) -> ManyToOne:
    """Adjust effects that share one control for their number, knowing how much of their variance they share.

    For adjusted effects (CUPED, ratios) as much as for means. The correlation of two effects is
    ``control_variance / (se_i * se_j)``, so the joint distribution is a double integral, over the shared part and over
    the common estimate of the variance, whatever the number of treatments. It is computed as a tail probability by the
    trapezoidal rule, good for six digits at worst; no random numbers. A p-value below 1e-12 is Bonferroni's, an
    upper bound; so is one that would need more than a million nodes (far out with very few degrees of freedom).

    Standard errors from few units need their degrees of freedom: without them three arms of 10 units reject 8.7 % at
    5 %, five of 40 units 6.7 %. The default, a normal reference, is for standard errors that are known or rest on
    hundreds of units. The marts pass the degrees of freedom wherever the estimate has them.

    Parameters
    ----------
    effect, se : array_like, shape (..., arms)
        Effects and their standard errors; NaN where a cell has fewer treatments.
    control_variance : array_like, shape (...)
        Variance of the control's mean: its part of every ``se ** 2``.
    df : array_like, broadcasting to (..., arms), default inf
        Degrees of freedom of the standard errors. Where they differ within a cell, each p-value and interval takes its
        own.
    alpha, alternative : array_like, shape (...)
        As in `python_stats.wald`, one or one per cell.

    Returns
    -------
    ManyToOne
        NaN where an effect has no positive finite standard error or degrees of freedom, or where the control's variance
        is missing or above the effect's, of which it is a part; it does not count among the treatments then.

    Raises
    ------
    ValueError
        For a wrong ``alpha`` or ``alternative``.

    References
    ----------
    Dunnett, C. W. (1955). A multiple comparison procedure for comparing several treatments with a control. Journal of
    the American Statistical Association 50, 1096-1121.

    Examples
    --------
    >>> result = many_to_one([2.0, 3.0], [1.0, 1.0], 0.5)
    >>> result.comparison.p_value.round(4).tolist(), round(float(result.critical_value[0]), 4)
    ([0.0829, 0.0052], 2.2121)
    """
    level, side = check_alpha(alpha), check_alternative(alternative)
    effect_, se_, df_, shared, level, side = np.broadcast_arrays(
        *(np.asarray(x, dtype=np.float64) for x in (effect, se, df)),
        np.asarray(control_variance, dtype=np.float64)[..., None],
        level[..., None],
        side[..., None],
    )
    check_axis("treatments", effect=effect_)
    shape, arms = effect_.shape, effect_.shape[-1]
    effect_, se_, df_, shared, level, side = (a.reshape(-1, arms) for a in (effect_, se_, df_, shared, level, side))
    with np.errstate(all="ignore"):
        variance = se_**2
        # An effect has the control's variance and more; a little less is rounding.
        present = np.isfinite(effect_) & (se_ > 0) & np.isfinite(variance) & (df_ > 0)
        present &= (shared >= 0) & (shared <= variance * (1 + ROUNDING_OF_VARIANCE))
        loading = np.sqrt(np.where(present, np.minimum(shared / se_**2, 1 - SMALLEST_OWN_PART**2), np.nan))
        statistic = np.where(present, effect_ / se_, np.nan)
        directed = np.where(side == "two_sided", np.abs(statistic), np.where(side == "less", -statistic, statistic))
        p_value = _exceedance(directed, loading, df_, side == "two_sided")

        # One search per cell where the degrees of freedom allow it.
        per_arm = np.where(present, df_, np.nan)
        per_cell = np.fmax.reduce(per_arm, axis=1, keepdims=True, initial=np.nan)
        reference = per_cell if np.all((per_arm == per_cell) | ~present) else per_arm
        columns = slice(0, reference.shape[1])
        critical = _critical_value(level[:, columns], loading, reference, side[:, columns])
        critical = np.where(present & np.isfinite(critical), critical, np.nan)
        known = ~np.isnan(critical)
        low = np.where(known & (side == "less"), -np.inf, effect_ - critical * se_)
        high = np.where(known & (side == "greater"), np.inf, effect_ + critical * se_)
    fields = effect_, se_, statistic, df_, p_value, low, high
    return ManyToOne(Comparison(*(field.reshape(shape).copy() for field in fields)), critical.reshape(shape))


def _critical_value(alpha: FloatArray, loading: FloatArray, df: FloatArray, side: NDArray[np.str_]) -> FloatArray:
    """Threshold that the largest statistic exceeds with probability alpha, by the Illinois method on log p.

    It lies between the quantile of one test and Bonferroni's.
    """
    two_sided = side == "two_sided"
    arms = np.isfinite(loading).sum(axis=1, keepdims=True)
    tail = tail_alpha(alpha, side)
    low, high = -stdtrit(df, tail), -stdtrit(df, tail / np.maximum(arms, 1))
    above, below = (np.log(_exceedance(c, loading, df, two_sided) / alpha) for c in (low, high))
    middle, last, moving = low, np.zeros(low.shape), np.ones(low.shape, dtype=bool)
    for _ in range(30):
        proposal = np.where(above - below > 0, high - below * (high - low) / (below - above), low)
        # A threshold that has arrived stays: its digits must not depend on how long the others take.
        middle = np.where(moving, proposal, middle)
        value = np.zeros(middle.shape)
        left = np.flatnonzero(moving.any(axis=1))
        value[left] = np.log(_exceedance(middle[left], loading[left], df[left], two_sided[left]) / alpha[left])
        positive = value > 0
        # Halving the value at the end that stays is what makes false position superlinear.
        below = np.where(positive & (last > 0), below / 2, below)
        above = np.where(~positive & (last < 0), above / 2, above)
        low, above = np.where(positive, middle, low), np.where(positive, value, above)
        high, below = np.where(positive, high, middle), np.where(positive, below, value)
        last = np.where(positive, 1.0, -1.0)
        moving &= (np.abs(value) > 1e-10) & (high - low > 1e-12 * np.abs(high))
        if not np.any(moving):
            break
    return middle


def _exceedance(threshold: FloatArray, loading: FloatArray, df: FloatArray, two_sided: NDArray[np.bool_]) -> FloatArray:
    """Probability that the largest of a cell's statistics exceeds each of its thresholds, shape (cells, thresholds)."""
    cells, thresholds = threshold.shape
    row = np.repeat(np.arange(cells), thresholds)
    c, nu, both = (np.broadcast_to(a, threshold.shape).reshape(-1) for a in (threshold, df, two_sided))
    arms = np.isfinite(loading).sum(axis=1)[row]
    result = np.where(both, 2.0, 1.0) * arms * stdtr(nu, -c)

    finite = np.isfinite(nu)
    degrees = np.where(finite, nu, 1.0)
    own = np.sqrt(1 - loading**2)
    finest = np.fmin.reduce(own / np.maximum(loading, own), axis=1, initial=1.0)[row]
    furthest = np.fmax.reduce(loading, axis=1, initial=0.0)[row]
    # Logarithm of the estimated over the true standard deviation: where its density, times a tail, lives.
    spread = np.where(finite, 1 / np.sqrt(2 * degrees), 0.0)
    peak = np.where(finite, 0.5 * np.log1p(c**2 / degrees), 0.0)
    start = -(peak + np.maximum(WIDE * spread, np.where(finite, 37 / degrees, 0.0)))
    end = np.minimum(WIDE * spread, 2.5)
    step = np.minimum(0.7 * spread, 0.6 / (1 + np.abs(c)))
    scale_nodes = np.where(finite, np.ceil((end - start) / np.where(finite, step, 1.0)) + 1, 1.0)
    reach = WIDE + furthest * np.minimum(np.abs(c) * np.exp(end), FAR)
    shared_nodes = np.ceil(reach / (0.7 * finest)) * np.where(both, 1, 2) + 1

    # Of a single treatment the tail is already the answer.
    integrate = np.isfinite(c) & (arms > 1) & (result > UNION) & (scale_nodes * shared_nodes <= MOST_NODES)
    left = np.flatnonzero(integrate)
    sizes = (_rounded_up(nodes[left]) for nodes in (scale_nodes, shared_nodes))
    grids, of_grid = np.unique(np.column_stack([both[left], *sizes]), axis=0, return_inverse=True)
    for number, (sides, scales, nodes) in enumerate(grids.astype(int).tolist()):
        same = left[of_grid.ravel() == number]
        length = max(1, BLOCK // (scales * nodes))
        for first in range(0, same.size, length):
            block = same[first : first + length]
            fraction = np.linspace(0, 1, scales)
            x = start[block, None] + (end - start)[block, None] * fraction
            weight = np.exp(np.where(finite[block, None], degrees[block, None] * (x - np.expm1(2 * x) / 2), 0.0))
            weight /= weight.sum(axis=1, keepdims=True)
            c_scaled = c[block, None] * np.exp(np.where(finite[block, None], x, 0.0))
            inner = _given_scale(c_scaled, loading[row[block]], furthest[block], nodes, bool(sides))
            result[block] = (inner * weight).sum(axis=1)
    return np.minimum(result, 1.0).reshape(cells, thresholds)


def _rounded_up(nodes: FloatArray) -> FloatArray:
    """Round numbers of nodes up to powers of the square root of two: rows with equal grids are integrated together.

    A row's grid follows from the row alone, so its last digits do not depend on its company.
    """
    return np.ceil(np.exp2(np.ceil(2.0 * np.log2(nodes)) / 2.0))


def _given_scale(c: FloatArray, loading: FloatArray, furthest: FloatArray, nodes: int, two_sided: bool) -> FloatArray:
    """Probability that the largest of normal statistics exceeds ``c``, shape (rows, scale nodes)."""
    reach = WIDE + furthest[:, None] * np.minimum(np.abs(c), FAR)
    # The integrand of the two-sided test is even: half of it is enough, its first node counting once and not twice.
    fraction = np.linspace(0 if two_sided else -1, 1, nodes)
    z = reach[..., None] * fraction
    exceeded = np.zeros(z.shape)
    for arm in range(loading.shape[1]):
        present = np.isfinite(loading[:, arm])
        shared = np.where(present, loading[:, arm], 0.0)[:, None, None]
        own = np.sqrt(1 - shared**2)
        beyond = ndtr((shared * z - c[..., None]) / own)
        if two_sided:
            beyond += ndtr((-shared * z - c[..., None]) / own)
        exceeded += np.where(present[:, None, None], np.minimum(beyond, 1.0), 0.0) * (1 - exceeded)
    exceeded *= np.exp(-(z**2) / 2)
    if two_sided:
        exceeded[..., 0] /= 2
    return exceeded.sum(axis=-1) * (reach / (nodes - 1)) * (2 / np.sqrt(2 * np.pi))
