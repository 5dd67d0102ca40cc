"""Differences, ratios and clusters, each as they are and adjusted by the pre-period."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from python_stats.adjustment.pre_period import Adjusted, cuped, cuped_ratio, linearised
from python_stats.analysis.estimators.cluster_df import cluster_df
from python_stats.analysis.estimators.effect_skewness import EffectSkewness, mean_skewness, ratio_skewness
from python_stats.analysis.estimators.estimate import Estimate
from python_stats.analysis.estimators.rate_counts import rate_counts
from python_stats.analysis.table.arms import arm_moments
from python_stats.analysis.table.comparisons import ARMS, BoolArray, Comparisons, FloatArray
from python_stats.analysis.table.metric_types import is_rate
from python_stats.means.welch import ROUNDING, variance_above_rounding
from python_stats.moments import Moments
from python_stats.rates.proportions import two_proportion_z
from python_stats.wald import Comparison, wald

# Variables of the moments: numerator, denominator, and both in the pre-period.
_OF_RATIOS = (0, 1, 2, 3)
_OF_MEANS = (0, 2)
_PAIRS = ((0, 1), (2, 3))


class RawAndAdjusted(NamedTuple):
    """Both estimates of the same comparisons.

    Attributes
    ----------
    raw, adjusted : Estimate
        Without and with the pre-period.
    is_adjusted : ndarray of bool
        Where there is a pre-period to use.
    widening : ndarray
        Factor on the standard errors for the leverage of a ratio's units; 1 elsewhere.
    """

    raw: Estimate
    adjusted: Estimate
    is_adjusted: BoolArray
    widening: FloatArray


def of_units(table: Comparisons, *, ratio: bool) -> RawAndAdjusted:
    """Compare arms of independent units.

    Parameters
    ----------
    table : Comparisons
        Comparisons that can be made, all of ratios or none.
    ratio : bool
        Whether they are of ratios.
    """
    control, treatment = (arm_moments(table, arm, _OF_RATIOS if ratio else _OF_MEANS) for arm in ARMS)
    result = (cuped_ratio if ratio else cuped)(control, treatment, **table.plan)
    # A ratio is one of linearised units: like every other mean, Welch's t.
    raw = result.unadjusted if ratio else _rates_by_counts(table, result.unadjusted)
    own = linearised(control, _PAIRS) if ratio else control
    return _named(
        table, ratio, "ratio" if ratio else "difference", "ratio_cuped" if ratio else "cuped", result, raw,
        result.comparison, result.se_control, result.cov_effect_control, _control_variance(own, result.theta),
    )  # fmt: skip


def of_clusters(table: Comparisons, *, ratio: bool) -> RawAndAdjusted:
    """Compare arms of clusters: the estimates of their units with CR2 variances and Bell-McCaffrey degrees of freedom.

    Parameters
    ----------
    table : Comparisons
        Comparisons that can be made, all of ratios or none.
    ratio : bool
        Whether they are of ratios.
    """
    use, plan = _OF_RATIOS if ratio else _OF_MEANS, table.plan
    result = (cuped_ratio if ratio else cuped)(*(arm_moments(table, arm, use) for arm in ARMS), **plan)
    arms = [arm_moments(table, arm, use, prefix="cluster_") for arm in ARMS]
    if ratio:
        arms = [linearised(arm, _PAIRS) for arm in arms]
    df = cluster_df(table)
    theta = np.nan_to_num(result.theta)
    with np.errstate(all="ignore"):
        # Without a covariate theta is 0, and its moments take no part.
        raw_var, adjusted_var = (
            sum(_variance(arm, slope) / arm.n for arm in arms) for slope in (np.zeros(theta.size), theta)
        )
        own, both = (np.nan_to_num(arms[0].cov[:, 0, j], nan=(np.nan, 0.0)[j]) / arms[0].n for j in (0, 1))
        raw = wald(result.unadjusted.effect, np.sqrt(raw_var), df, **plan)
        adjusted = wald(result.comparison.effect, np.sqrt(adjusted_var), df, **plan)
    return _named(
        table, ratio, "cluster", "cluster_cuped", result, raw, adjusted, np.sqrt(own), theta * both - own,
        _control_variance(arms[0], theta),
    )  # fmt: skip


def _named(
    table: Comparisons,
    ratio: bool,
    raw_name: str,
    adjusted_name: str,
    result: Adjusted,
    raw: Comparison,
    adjusted: Comparison,
    se_control: FloatArray,
    cov_adjusted: FloatArray,
    adjusted_variance: FloatArray,
) -> RawAndAdjusted:
    """Put both estimates together with the skewness of each; that of an adjusted ratio nobody knows."""
    rows = len(table)
    skewness = ratio_skewness(table) if ratio else mean_skewness(table, np.zeros(rows))
    unknown = EffectSkewness(np.full(rows, np.nan), np.zeros(rows, dtype=bool), skewness.widening)
    of_adjusted = unknown if ratio else mean_skewness(table, result.theta)
    variance = se_control**2
    return RawAndAdjusted(
        Estimate(
            raw_name, raw, result.mean_control, se_control, -variance, variance, skewness.effect, skewness.is_clear,
            np.zeros(rows),
        ),
        Estimate(
            adjusted_name, adjusted, result.mean_control, se_control, cov_adjusted, adjusted_variance,
            of_adjusted.effect, of_adjusted.is_clear, np.zeros(rows),
        ),
        result.is_adjusted,
        skewness.widening,
    )  # fmt: skip


def _control_variance(control: Moments, theta: FloatArray) -> FloatArray:
    """Variance of the control's adjusted value: its part of the variance of every effect measured against it."""
    with np.errstate(all="ignore"):
        return _variance(control, np.nan_to_num(theta)) / control.n


def _variance(arm: Moments, theta: FloatArray) -> FloatArray:
    """Variance of ``y - theta * x``: 0 where it is the rounding of equal values, or of a perfect covariate."""
    own = variance_above_rounding(arm.cov[:, 0, 0], arm.mean[:, 0])
    pre, both = (np.nan_to_num(arm.cov[:, i, 1]) for i in (1, 0))
    parts = own + theta**2 * pre
    variance = parts - 2 * theta * both
    size = np.abs(arm.mean[:, 0]) + np.abs(np.where(theta == 0.0, 0.0, theta * arm.mean[:, 1]))
    return np.where(variance <= ROUNDING * parts, 0.0, variance_above_rounding(np.maximum(variance, 0.0), size))


def _rates_by_counts(table: Comparisons, welch: Comparison) -> Comparison:
    """Put the pooled z test where a comparison is one of rates."""
    rows = np.flatnonzero(is_rate(table))
    if not rows.size:
        return welch
    rates = table.take(rows)
    rate = two_proportion_z(*rate_counts(rates), **rates.plan)
    parts = [part.copy() for part in welch]
    for part, values in zip(parts, rate, strict=True):
        part[rows] = values
    return Comparison(*parts)
