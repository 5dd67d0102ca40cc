"""The estimates that need nothing but moments: differences, ratios, clusters, each with and without the pre-period.

All comparisons run together; a status says why a number is missing.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from python_stats.adjustment.pre_period import Adjusted, cuped, cuped_ratio, linearised
from python_stats.analysis.arm_moments import arm_moments
from python_stats.analysis.cluster_df import cluster_df
from python_stats.analysis.corrected_estimates import corrected
from python_stats.analysis.effect_skewness import EffectSkewness, mean_skewness, ratio_skewness
from python_stats.analysis.estimate import Estimate
from python_stats.analysis.estimate_rows import estimate_rows, level_and_side
from python_stats.analysis.quantile_estimates import is_quantile
from python_stats.analysis.rate_counts import is_rate, rate_counts
from python_stats.analysis.rate_estimates import with_score_intervals
from python_stats.analysis.settings import DEFAULTS, Settings
from python_stats.analysis.status_after import status_after
from python_stats.analysis.statuses import status_before
from python_stats.lift import Lift, lift_interval
from python_stats.means.welch import cohen_d
from python_stats.moments import Moments
from python_stats.rates.proportions import two_proportion_z
from python_stats.wald import Comparison, wald

# Events of a cluster are alike: it takes more of them than of independent units.
CLUSTERED_EVENTS = 2.0

# Events of a cluster are alike: it takes more of them than of independent units.
CLUSTERED_EVENTS = 2.0

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


def moment_estimates(comparisons: pd.DataFrame, settings: Settings = DEFAULTS) -> pd.DataFrame:
    """Estimate the effect of every comparison from its moments, raw and adjusted by the pre-period.

    Rates are compared by the pooled two-proportion z test (interval unpooled, Miettinen and Nurminen's where an arm
    expects fewer than ``score_below`` units with or without the outcome), means by Welch's t test, ratios of sums by
    the delta method with Welch's degrees of freedom, each with CUPED beside it where a pre-period covariate exists.
    Comparisons of clustered arms use the cluster-robust moments (CR2) with Bell-McCaffrey degrees of freedom, never the
    unit-level variance. Where these do not hold there is a corrected estimate beside them.

    Parameters
    ----------
    comparisons : DataFrame
        One row per planned metric, treatment and look, with the columns of the model ``look_comparison``: keys,
        ``metric_type``, ``alpha``, ``alternative``, ``estimator``, ``issue``, ``is_clustered``, ``n_*``, ``mean_*``,
        ``var_*``, ``cov_*`` and ``cluster_*`` of both arms.
    settings : Settings
        ``min_units``, ``score_below``, ``exact_below``, ``lift_method`` and the limits of the skewness.

    Returns
    -------
    DataFrame
        One row per comparison and estimator, as `estimate_rows` lays them out: the unadjusted one always
        (``is_unadjusted``: the corrected one where there is one), the adjusted one where there is a covariate to use,
        with ``variance_reduction``. A quantile is no function of moments: such a comparison has no row here.
        Status ``too_skewed`` where the difference is too far from normal to be compared, and for an adjusted ratio
        whose own skewness is not known where its raw one needs a correction; ``too_few_events`` for rates of clusters
        where an arm expects fewer than `CLUSTERED_EVENTS` times ``exact_below`` units with, or without, the outcome.

    References
    ----------
    See the modules of the estimators: `proportions`, `means`, `ratios`, `adjustment`, `clusters`, `lift`.
    """
    table = comparisons[~is_quantile(comparisons)].reset_index(drop=True)
    status = status_before(table, settings.min_units)
    clustered = table["is_clustered"].to_numpy(dtype=bool)
    is_ratio = (table["metric_type"] == "ratio").to_numpy()

    raw_name = np.where(clustered, "cluster", np.where(is_ratio, "ratio", "difference"))
    unadjusted = Estimate.blank(raw_name, available=True)
    adjusted_name = np.where(clustered, "cluster_cuped", np.where(is_ratio, "ratio_cuped", "cuped"))
    adjusted = Estimate.blank(adjusted_name, available=False)
    widening = np.ones(len(table))
    for ratio in (False, True):
        picked = np.flatnonzero((is_ratio == ratio) & (status == ""))
        if picked.size:
            widening[picked] = _estimate(table.iloc[picked], ratio, picked, unadjusted, adjusted)

    status = np.where(status == "", status_after(table, unadjusted.comparison), status)
    with np.errstate(all="ignore"):
        reduction = 1 - (adjusted.comparison.se / unadjusted.comparison.se) ** 2
    too_few = (
        clustered & is_rate(table) & (rate_counts(table).fewest_expected < CLUSTERED_EVENTS * settings.exact_below)
    )
    raw, other = (corrected(table, estimate, widening, settings) for estimate in (unadjusted, adjusted))
    # How skewed an adjusted ratio is, nobody knows: its raw one is compared in its place.
    unknown = is_ratio & raw.is_skewed
    parts = []
    for estimate, better, refused, gained in (
        (unadjusted, raw, raw.is_refused, np.zeros(len(table))),
        (adjusted, other, other.is_refused | unknown, reduction),
    ):
        why = np.select([too_few, refused], ["too_few_events", "too_skewed"], "").astype(object)
        why = np.where((status == "ok") & estimate.available, why, "")
        stands = estimate.without(why != "")
        replaced = better.estimate.available & (why == "")
        is_raw = np.full(len(table), estimate is unadjusted)
        first = _rows(
            table, stands, np.where(why == "", status, why), gained, _lift(table, stands, settings.lift_method),
            is_unadjusted=is_raw & ~replaced,
        )  # fmt: skip
        second = _rows(table, better.estimate, status, gained, better.lift, is_unadjusted=is_raw)
        parts += [with_score_intervals(first, table, settings.score_below)[estimate.available], second[replaced]]
    return pd.concat(parts, ignore_index=True)


def _estimate(
    table: pd.DataFrame, ratio: bool, picked: NDArray[np.intp], unadjusted: Estimate, adjusted: Estimate
) -> FloatArray:
    """Fill both estimates at ``picked``; return the factor by which a ratio's standard error is to be widened."""
    plan = level_and_side(table)
    use = [0, 1, 2, 3] if ratio else [0, 2]
    control, treatment = (arm_moments(table, arm, use) for arm in ("control", "treatment"))
    result = (cuped_ratio if ratio else cuped)(control, treatment, **plan)
    raw = _unadjusted(table, ratio, control, treatment, result, plan)
    se_control, cov_effect = result.se_control, result.cov_effect_control
    headline, se_adjusted_control, cov_adjusted = result.comparison, se_control, cov_effect
    own = linearised(control, ((0, 1), (2, 3))) if ratio else control
    own_variance = _control_variance(own, result.theta)

    clustered = table["is_clustered"].to_numpy(dtype=bool)
    if clustered.any():
        robust = _clustered(table, ratio, use, result, plan)
        raw, headline = (
            Comparison(*(np.where(clustered, r, u) for r, u in zip(robust[i], plain, strict=True)))
            for i, plain in enumerate((raw, headline))
        )
        se_control = np.where(clustered, robust[2], se_control)
        se_adjusted_control = np.where(clustered, robust[2], se_adjusted_control)
        cov_adjusted = np.where(clustered, robust[3], cov_adjusted)
        own_variance = np.where(clustered, robust[4], own_variance)

    skewness = ratio_skewness(table) if ratio else mean_skewness(table, np.zeros(len(table)))
    unknown = EffectSkewness(np.full(len(table), np.nan), np.zeros(len(table), dtype=bool), skewness.widening)
    of_adjusted = unknown if ratio else mean_skewness(table, result.theta)
    unadjusted.fill(
        picked, comparison=raw, mean_control=result.mean_control, se_control=se_control,
        cov_effect_control=-(se_control**2), control_variance=se_control**2, skewness=skewness.effect,
        is_clearly_skewed=skewness.is_clear,
    )  # fmt: skip
    adjusted.fill(
        picked, comparison=headline, mean_control=result.mean_control, se_control=se_adjusted_control,
        cov_effect_control=cov_adjusted, control_variance=own_variance, skewness=of_adjusted.effect,
        is_clearly_skewed=of_adjusted.is_clear, available=result.is_adjusted,
    )  # fmt: skip
    return skewness.widening


def _control_variance(control: Moments, theta: FloatArray) -> FloatArray:
    """Variance of the control's adjusted value: its part of the variance of every effect measured against it."""
    slope = np.nan_to_num(theta)
    with np.errstate(all="ignore"):
        pre, both = (np.nan_to_num(control.cov[:, i, 1]) for i in (1, 0))
        return np.maximum(control.cov[:, 0, 0] + slope**2 * pre - 2 * slope * both, 0) / control.n


def _unadjusted(
    table: pd.DataFrame,
    ratio: bool,
    control: Moments,
    treatment: Moments,
    result: Adjusted,
    plan: dict[str, NDArray[np.generic]],
) -> Comparison:
    """Compare the raw values by the test that belongs to the metric's type."""
    if ratio:
        # Of the linearised units, like every other mean: Welch's t.
        return result.unadjusted
    rates = is_rate(table)
    counts = rate_counts(table)
    successes = [np.where(rates, x, 0.0) for x in (counts.successes_control, counts.successes_treatment)]
    rate = two_proportion_z(successes[0], control.n, successes[1], treatment.n, **plan)
    return Comparison(*(np.where(rates, r, u) for r, u in zip(rate, result.unadjusted, strict=True)))


def _clustered(
    table: pd.DataFrame, ratio: bool, use: list[int], result: Adjusted, plan: dict[str, NDArray[np.generic]]
) -> tuple[Comparison, Comparison, FloatArray, FloatArray, FloatArray]:
    """Compare by cluster-robust variances.

    Returns the raw and the adjusted comparison, the standard error of the control mean, its covariance with the
    adjusted effect, and the variance of the control's adjusted value.
    """
    arms = [arm_moments(table, arm, use, prefix="cluster_") for arm in ("control", "treatment")]
    if ratio:
        arms = [linearised(arm, ((0, 1), (2, 3))) for arm in arms]
    df = cluster_df(table)
    theta = np.nan_to_num(result.theta)
    with np.errstate(all="ignore"):
        # Variances of the means: outcome, covariate and both, per arm. Without a covariate theta is 0.
        own, pre, both = (
            [np.nan_to_num(arm.cov[:, i, j], nan=np.nan if (i, j) == (0, 0) else 0.0) / arm.n for arm in arms]
            for i, j in ((0, 0), (1, 1), (0, 1))
        )
        raw_var = own[0] + own[1]
        adjusted_var = raw_var + theta**2 * (pre[0] + pre[1]) - 2 * theta * (both[0] + both[1])
        se_control = np.sqrt(own[0])
        cov_effect = theta * both[0] - own[0]
        raw = wald(result.unadjusted.effect, np.sqrt(raw_var), df, **plan)
        adjusted = wald(result.comparison.effect, np.sqrt(np.maximum(adjusted_var, 0)), df, **plan)
    return raw, adjusted, se_control, cov_effect, _control_variance(arms[0], theta)


def _lift(table: pd.DataFrame, estimate: Estimate, method: str) -> Lift:
    c = estimate.comparison
    return lift_interval(
        c.effect, c.se, estimate.mean_control, estimate.se_control, cov_effect_control=estimate.cov_effect_control,
        df=c.df, method=method, **level_and_side(table),
    )  # fmt: skip


def _rows(
    table: pd.DataFrame,
    estimate: Estimate,
    status: NDArray[np.object_],
    variance_reduction: FloatArray,
    lift: Lift,
    *,
    is_unadjusted: BoolArray,
) -> pd.DataFrame:
    """One estimator as rows of the result."""
    tested = np.isfinite(estimate.comparison.p_value)
    return estimate_rows(
        table, estimate.name, estimate.comparison, status=status, lift=lift, is_unadjusted=is_unadjusted,
        # Also where it is the reason why there is no test.
        effect_skewness=np.where(tested | (status == "too_skewed"), estimate.skewness, np.nan),
        variance_reduction=np.where(tested, variance_reduction, np.nan),
        control_variance=estimate.control_variance, cohens_d=np.where(tested, _cohens_d(table), np.nan),
        # What the monitoring of the estimate needs beside it.
        reference_skewness=estimate.reference_skewness, se_control=estimate.se_control,
        cov_effect_control=estimate.cov_effect_control,
    )  # fmt: skip


def _cohens_d(table: pd.DataFrame) -> FloatArray:
    """Return the raw difference in standard deviations of a unit; missing for ratios, which no single unit has."""
    columns = [
        table[f"{name}_{arm}"].to_numpy(dtype=np.float64)
        for arm in ("control", "treatment")
        for name in ("mean_numerator", "var_numerator", "n")
    ]
    return np.where(table["metric_type"] == "ratio", np.nan, cohen_d(*columns))
