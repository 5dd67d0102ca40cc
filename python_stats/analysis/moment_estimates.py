"""The estimates that need nothing but moments: differences, ratios, clusters, each with and without the pre-period.

All comparisons run together; a status says why a number is missing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from python_stats.adjustment import Adjusted, cuped, cuped_ratio, linearised
from python_stats.analysis.arm_moments import arm_moments
from python_stats.analysis.cluster_df import cluster_df
from python_stats.analysis.effect_skewness import effect_skewness
from python_stats.analysis.estimate_rows import estimate_rows, level_and_side
from python_stats.analysis.quantile_estimates import is_quantile
from python_stats.analysis.rate_estimates import RATES
from python_stats.analysis.status_after import status_after
from python_stats.analysis.statuses import status_before
from python_stats.lift import lift_interval
from python_stats.means import cohen_d
from python_stats.moments import Moments
from python_stats.proportions import two_proportion_z
from python_stats.wald import Comparison, wald

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


class _Estimate(NamedTuple):
    """One estimator on all comparisons."""

    name: NDArray[np.str_]
    comparison: Comparison
    mean_control: FloatArray
    se_control: FloatArray
    cov_effect_control: FloatArray
    control_variance: FloatArray
    available: BoolArray


def moment_estimates(comparisons: pd.DataFrame, *, min_units: int = 2, lift_method: str = "log_delta") -> pd.DataFrame:
    """Estimate the effect of every comparison from its moments, raw and adjusted by the pre-period.

    Rates are compared by the pooled two-proportion z test (interval unpooled), means by Welch's t test, ratios of sums
    by the delta method with Welch's degrees of freedom, each with CUPED beside it where a pre-period covariate exists.
    Comparisons of clustered arms use the cluster-robust moments (CR2) with Bell-McCaffrey degrees of freedom, never the
    unit-level variance.

    Parameters
    ----------
    comparisons : DataFrame
        One row per planned metric, treatment and look, with the columns of the model ``look_comparison``: keys,
        ``metric_type``, ``alpha``, ``alternative``, ``estimator``, ``issue``, ``is_clustered``, ``n_*``, ``mean_*``,
        ``var_*``, ``cov_*`` and ``cluster_*`` of both arms.
    min_units : int, default 2
        An arm with fewer mature units has a status instead of a test.
    lift_method : {"log_delta", "fieller"}
        As ``method`` of `python_stats.lift.lift_interval`.

    Returns
    -------
    DataFrame
        One row per comparison and estimator, as `estimate_rows` lays them out: the unadjusted one always
        (``is_unadjusted``), the adjusted one where there is a covariate to use, with ``variance_reduction``. A
        quantile is no function of moments: such a comparison has no row here.

    References
    ----------
    See the modules of the estimators: `proportions`, `means`, `ratios`, `adjustment`, `clusters`, `lift`.
    """
    table = comparisons[~is_quantile(comparisons)].reset_index(drop=True)
    status = status_before(table, min_units)
    clustered = table["is_clustered"].to_numpy(dtype=bool)
    is_ratio = (table["metric_type"] == "ratio").to_numpy()

    rows = len(table)
    blank = Comparison(*(np.full(rows, np.nan) for _ in Comparison._fields))
    unadjusted = _Estimate(
        np.where(clustered, "cluster", np.where(is_ratio, "ratio", "difference")),
        blank, *(np.full(rows, np.nan) for _ in range(4)), np.ones(rows, dtype=bool),
    )  # fmt: skip
    adjusted = _Estimate(
        np.where(clustered, "cluster_cuped", np.where(is_ratio, "ratio_cuped", "cuped")),
        Comparison(*(np.full(rows, np.nan) for _ in Comparison._fields)),
        *(np.full(rows, np.nan) for _ in range(4)), np.zeros(rows, dtype=bool),
    )  # fmt: skip
    for ratio in (False, True):
        picked = np.flatnonzero((is_ratio == ratio) & (status == ""))
        if picked.size:
            _estimate(table.iloc[picked], ratio, picked, unadjusted, adjusted)

    status = np.where(status == "", status_after(table, unadjusted.comparison), status)
    with np.errstate(all="ignore"):
        reduction = 1 - (adjusted.comparison.se / unadjusted.comparison.se) ** 2
    parts = [
        _rows(table, unadjusted, status, np.zeros(rows), lift_method, is_unadjusted=True),
        _rows(table, adjusted, status, reduction, lift_method, is_unadjusted=False)[adjusted.available],
    ]
    return pd.concat(parts, ignore_index=True)


def _estimate(
    table: pd.DataFrame, ratio: bool, picked: NDArray[np.intp], unadjusted: _Estimate, adjusted: _Estimate
) -> None:
    """Fill both estimators' arrays at ``picked``."""
    plan = level_and_side(table)
    use = [0, 1, 2, 3] if ratio else [0, 2]
    control, treatment = (arm_moments(table, arm, use) for arm in ("control", "treatment"))
    result = (cuped_ratio if ratio else cuped)(control, treatment, **plan)
    raw = _unadjusted(table, ratio, control, treatment, result, plan)
    se_control, cov_effect = result.se_control, result.cov_effect_control
    headline, se_adjusted_control, cov_adjusted = result.comparison, se_control, cov_effect
    available = result.is_adjusted
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

    values = (
        (unadjusted, raw, se_control, -(se_control**2), se_control**2, np.ones(len(table), dtype=bool)),
        (adjusted, headline, se_adjusted_control, cov_adjusted, own_variance, available),
    )
    for target, comparison, se, cov, variance, usable in values:
        for field, value in zip(target.comparison, comparison, strict=True):
            field[picked] = value
        target.mean_control[picked] = result.mean_control
        target.se_control[picked] = se
        target.cov_effect_control[picked] = cov
        target.control_variance[picked] = variance
        target.available[picked] = usable


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
    is_rate = table["metric_type"].isin(RATES).to_numpy()
    # Counts of successes are whole numbers that travelled as a mean.
    successes = [np.rint(np.where(is_rate, m.mean[:, 0] * m.n, 0.0)) for m in (control, treatment)]
    rate = two_proportion_z(successes[0], control.n, successes[1], treatment.n, **plan)
    return Comparison(*(np.where(is_rate, r, u) for r, u in zip(rate, result.unadjusted, strict=True)))


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


def _rows(
    table: pd.DataFrame,
    estimate: _Estimate,
    status: NDArray[np.object_],
    variance_reduction: FloatArray,
    lift_method: str,
    *,
    is_unadjusted: bool,
) -> pd.DataFrame:
    """One estimator as rows of the result."""
    c = estimate.comparison
    lift = lift_interval(
        c.effect, c.se, estimate.mean_control, estimate.se_control, cov_effect_control=estimate.cov_effect_control,
        df=c.df, alpha=table["alpha"].to_numpy(dtype=float), alternative=table["alternative"].to_numpy(dtype=str),
        method=lift_method,
    )  # fmt: skip
    return estimate_rows(
        table, estimate.name, c, status=status, lift=lift, is_unadjusted=is_unadjusted,
        effect_skewness=np.where(np.isfinite(c.p_value), effect_skewness(table), np.nan),
        variance_reduction=np.where(np.isfinite(c.p_value), variance_reduction, np.nan),
        control_variance=estimate.control_variance, cohens_d=np.where(np.isfinite(c.p_value), _cohens_d(table), np.nan),
    )  # fmt: skip


def _cohens_d(table: pd.DataFrame) -> FloatArray:
    """Return the raw difference in standard deviations of a unit; missing for ratios, which no single unit has."""
    columns = [
        table[f"{name}_{arm}"].to_numpy(dtype=np.float64)
        for arm in ("control", "treatment")
        for name in ("mean_numerator", "var_numerator", "n")
    ]
    return np.where(table["metric_type"] == "ratio", np.nan, cohen_d(*columns))
