"""How far each estimated difference is from normal."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from python_stats.analysis.table.arms import arm_moments
from python_stats.analysis.table.comparisons import ARMS, BoolArray, Comparisons, FloatArray
from python_stats.means.skewness import pooled_skewness, skewness_of_difference, third_moment_of_combination
from python_stats.means.welch import variance_above_rounding
from python_stats.moments import linear_combination

# Sums of products of three variables, in the order of `third_moment_of_combination`.
TRIPLES = {
    "covariate": (
        "cubes_numerator", "squares_numerator_covariate", "squares_covariate_numerator", "cubes_covariate",
    ),
    "denominator": (
        "cubes_numerator", "squares_numerator_denominator", "squares_denominator_numerator", "cubes_denominator",
    ),
}  # fmt: skip

# The standard error of the skewness of N normal values is sqrt(6 / N); so many of them are no accident.
CLEAR = 3.0


class EffectSkewness(NamedTuple):
    """Skewness of estimated differences, one element per comparison.

    Attributes
    ----------
    effect : ndarray
        Of the difference; NaN where a third moment is not known.
    is_clear : ndarray of bool
        Whether the values' skewness is more than `CLEAR` standard errors of none at all, together and arm by arm.
    widening : ndarray
        Factor on the standard error of the difference for the leverage of its units, at least 1; 1 for means.
    """

    effect: FloatArray
    is_clear: BoolArray
    widening: FloatArray


def mean_skewness(table: Comparisons, theta: FloatArray) -> EffectSkewness:
    """Skewness of the difference of means, adjusted by a covariate where ``theta`` is not zero.

    Parameters
    ----------
    table : Comparisons
        Comparisons of metrics per unit.
    theta : ndarray
        Slope of the adjustment.

    Returns
    -------
    EffectSkewness
        Of clustered arms, from the residual totals of their clusters.
    """
    weights = np.stack([np.ones_like(theta), -np.nan_to_num(theta)], axis=-1)
    return _skewness(table, "covariate", (weights, weights), np.ones(len(table)))


def ratio_skewness(table: Comparisons) -> EffectSkewness:
    """Skewness of the difference of two ratios of sums, as linear as the delta method takes them.

    The widening is that of HC3, to its first order: a unit with the share h of its arm's denominator pulls the ratio
    towards itself, so that its squared residual may be too small by the factor ``(1 - h) ** 2``.

    Parameters
    ----------
    table : Comparisons
        Comparisons of ratios.

    Returns
    -------
    EffectSkewness
        Of clustered arms, from the residual totals of their clusters; their standard errors know of leverage already.

    References
    ----------
    MacKinnon, J. G. and White, H. (1985). Some heteroskedasticity-consistent covariance matrix estimators with improved
    finite sample properties. Journal of Econometrics 29, 305-325.
    """
    weights, variances, inflated = [], [], []
    for arm in ARMS:
        moments = arm_moments(table, arm, [0, 1])
        with np.errstate(all="ignore"):
            base = np.where(moments.mean[:, 1] == 0.0, np.nan, moments.mean[:, 1])
            ratio = moments.mean[:, 0] / base
            own = np.stack([1.0 / base, -ratio / base], axis=-1)
            variance = linear_combination(moments, own[:, None, :]).cov[:, 0, 0]
            n = moments.n
            squares, cross, cubes = table.of_arm(arm, *TRIPLES["denominator"][1:])
            # Sum of the squared residuals, each times its unit's share of the denominator, over their sum.
            leverage = (squares - 2 * ratio * cross + ratio**2 * cubes) / (n * base**3 * variance * (n - 1))
            factor = (1 + 2 * leverage) * (n - 1) / n
        weights.append(own)
        variances.append(variance / n)
        inflated.append(variance / n * np.where(np.isfinite(factor), np.maximum(factor, 1.0), 1.0))
    with np.errstate(all="ignore"):
        widening = np.sqrt((inflated[0] + inflated[1]) / (variances[0] + variances[1]))
    widening = np.where(np.isfinite(widening), widening, 1.0)
    return _skewness(table, "denominator", (weights[0], weights[1]), widening)


def _skewness(
    table: Comparisons, second: str, weights: tuple[FloatArray, FloatArray], widening: FloatArray
) -> EffectSkewness:
    use = [0, 2] if second == "covariate" else [0, 1]
    clustered = table.flag("is_clustered")
    arms = [arm_moments(table, arm, use) for arm in ARMS]
    triples = [_triples(table, arm, second, "") for arm in ARMS]
    spreads = [
        linear_combination(moments, own[:, None, :]).cov[:, 0, 0] for moments, own in zip(arms, weights, strict=True)
    ]
    with np.errstate(all="ignore"):
        pooled = sum((moments.n - 1) * spread for moments, spread in zip(arms, spreads, strict=True))
        pooled = pooled / (arms[0].n + arms[1].n)
    parts, counts, own_skewness = [], [], []
    for place, (arm, own) in enumerate(zip(ARMS, weights, strict=True)):
        given, variance, count = (arms[place], triples[place], own), spreads[place], arms[place].n
        own_third = third = third_moment_of_combination(*given)
        if np.isnan(third).any():
            # An arm of equal values, wherever they lie, is no reason not to know how skewed the other one is.
            third = np.where(np.isnan(third), third_moment_of_combination(*given, spread=pooled), third)
        if clustered.any():
            totals = _of_clusters(table, arm, use, second, own)
            variance, third, count = (
                np.where(clustered, by_cluster, by_unit)
                for by_cluster, by_unit in zip(totals, (variance, third, count), strict=True)
            )
            own_third = np.where(clustered, third, own_third)
        parts += [variance, third, count]
        counts.append(count)
        with np.errstate(all="ignore"):
            own_skewness.append(np.where(variance > 0, np.nan_to_num(count * own_third / variance**1.5), 0.0))
    values = pooled_skewness(*parts)
    with np.errstate(all="ignore"):
        # Arms of different spread look skewed together: what is clear must be so of each in its own spread, too.
        least = np.minimum(np.abs(values), np.abs(own_skewness[0] + own_skewness[1]) / (counts[0] + counts[1]))
        is_clear = least > CLEAR * np.sqrt(6.0 / (counts[0] + counts[1]))
        return EffectSkewness(skewness_of_difference(values, *counts), is_clear, np.where(clustered, 1.0, widening))


def _triples(table: Comparisons, arm: str, second: str, prefix: str) -> FloatArray:
    return np.stack([table.number(f"{prefix}{name}_{arm}") for name in TRIPLES[second]], axis=-1)


def _of_clusters(
    table: Comparisons, arm: str, use: list[int], second: str, weights: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Variance and third moment of the clusters' residual totals of a weighted sum, and the number of clusters."""
    robust = arm_moments(table, arm, use, prefix="cluster_")
    count = table.number(f"clusters_{arm}")
    triples = _triples(table, arm, second, "cluster_")
    with np.errstate(all="ignore"):
        # Effective covariances are sums of products of the totals over the units.
        combined = linear_combination(robust, weights[:, None, :])
        variance = variance_above_rounding(combined.cov[:, 0, 0], combined.mean[:, 0]) * robust.n / (count - 1)
        third = np.zeros(count.size)
        for place, (power, times) in enumerate(((0, 1), (1, 3), (2, 3), (3, 1))):
            factor = times * weights[:, 0] ** (3 - power) * weights[:, 1] ** power
            third = third + np.where(factor == 0.0, 0.0, factor * triples[:, place])
        return variance, third / count, count
