"""The estimates that few clusters need: CR3, randomisation inference and the wild cluster bootstrap, from totals."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from numpy.typing import NDArray

from python_stats.adjustment.pre_period import Adjusted, cuped, cuped_ratio
from python_stats.analysis.settings import DEFAULTS, Settings
from python_stats.analysis.table.arms import arm_moments, rows_of_arm
from python_stats.analysis.table.comparisons import ARMS, BoolArray, Comparisons, FloatArray, IntArray
from python_stats.analysis.table.estimate_rows import EstimateRows, estimate_rows, raw_value
from python_stats.analysis.table.metric_types import is_quantile, is_ratio
from python_stats.analysis.table.plan_words import RAW_COMPARISON
from python_stats.analysis.table.statuses import status_after
from python_stats.clusters.randomization import randomization_test
from python_stats.clusters.robust_variance import cluster_arm, cluster_difference
from python_stats.clusters.totals import ClusterMoments, cluster_moments
from python_stats.clusters.wild_bootstrap import wild_cluster_bootstrap
from python_stats.lift import Lift, lift_interval
from python_stats.wald import Comparison

# Assignments that are enumerated instead of drawn: all of up to 8 against 8 clusters.
MAX_EXACT = 20_000
DRAWS = 9_999
# What the draws of a comparison are seeded by.
SEEDED_BY = ["exp_id", "metric_id", "variant_id", "population"]
# Sums of deviations below this many units in the last place of what was added up are rounding.
_ROUNDING = 8.0 * np.finfo(np.float64).eps
# A denominator below this share of what the cluster's units would have on average is one of zero, rounded.
_NO_DENOMINATOR = 1e-12
# One cluster with so much of the denominator leaves nothing to compare it with.
_ALL = 1.0 - 1e-12


class _Side(NamedTuple):
    """A metric, or its covariate, as ratios of sums: per comparison and arm (axis 0), and per cluster."""

    ratio: FloatArray
    mean_base: FloatArray
    residual: FloatArray
    base: FloatArray
    rounding: FloatArray


class _Clusters(NamedTuple):
    """The clusters of all comparisons, one element per cluster and comparison."""

    comparison: IntArray
    arm: IntArray
    n: FloatArray
    name: NDArray[np.str_]
    rows: pd.DataFrame


def cluster_estimates(
    comparisons: pd.DataFrame | Comparisons,
    few_cluster_totals: pd.DataFrame,
    settings: Settings = DEFAULTS,
    *,
    draws: int = DRAWS,
) -> list[EstimateRows]:
    """Estimate the comparisons of few clusters by the methods that do not lean on many.

    Every method has the point estimate of `python_stats.analysis.moment_estimates.moment_estimates`: adjusted by the
    covariate where that has an adjusted row, unless the plan asks for an unadjusted comparison.

    * ``cr3``: CR3 with the Satterthwaite degrees of freedom of its own weights.
    * ``randomization``: the share of re-assignments of the clusters with at least as large an effect, exact up to
      `MAX_EXACT` assignments, else drawn; its interval inverts the test.
    * ``wild_bootstrap``: wild cluster bootstrap-t with the null imposed, jackknifed scores and random signs, all of
      them up to 13 clusters with the default draws; its interval inverts the test. (Webb's weights, which have more
      distinct draws, rejected 9 % instead of 5 with six clusters in a simulation; signs held.)

    The draws are seeded by the comparison's names, so that a rebuild gives the same numbers.

    Parameters
    ----------
    comparisons : DataFrame or Comparisons
        Comparisons that can be made, with the columns of the model ``look_comparison``.
    few_cluster_totals : DataFrame
        Rows of the model ``few_cluster_total``: per plan, variant and cluster the units and the totals of deviations
        from the variant's mean.
    settings : Settings
        ``lift_interval``, for ``cr3``; the resampled tests have no lift interval.
    draws : int
        Draws of what is not enumerated; signs are enumerated where there are no more of them.

    Returns
    -------
    list of EstimateRows
        Three rows for every clustered comparison at the last look that has totals, with ``variance_reduction``
        for ``cr3`` and ``p_value_resolution``, the least step between two p-values, for the resampled ones. Status
        ``too_few_clusters`` where one cluster holds all of an arm's denominator.

    References
    ----------
    See `clusters.cluster_difference`, `randomization.randomization_test` and `wild_bootstrap.wild_cluster_bootstrap`.
    """
    if few_cluster_totals.empty:
        return []
    table = Comparisons.of(comparisons)
    plan, plans = table.words("plan_key")
    # Totals are those of whole populations, and a quantile is no function of them.
    table = table.take(
        table.flag("is_last_look")
        & table.flag("is_clustered")
        & table.is_word("dimension", "all")
        & ~is_quantile(table)
        & np.append(plans.isin(few_cluster_totals["plan_key"]), False)[plan]
    )
    ratios = is_ratio(table)
    return [
        part
        for ratio, picked in ((False, ~ratios), (True, ratios))
        if picked.any()
        for part in _estimates(table.take(picked), few_cluster_totals, ratio, settings, draws)
    ]


def _estimates(
    table: Comparisons, totals: pd.DataFrame, ratio: bool, settings: Settings, draws: int
) -> list[EstimateRows]:
    plan = table.plan
    use = (0, 1, 2, 3) if ratio else (0, 2)
    result = (cuped_ratio if ratio else cuped)(*(arm_moments(table, arm, use) for arm in ARMS))
    unadjusted = table.is_word("estimator", *RAW_COMPARISON)
    theta = np.where(result.is_adjusted & ~unadjusted, result.theta, 0.0)
    effect = np.where(theta != 0.0, result.comparison.effect, result.unadjusted.effect)

    clusters = _clusters(table, totals)
    names = pd.DataFrame({key: table.values(key) for key in SEEDED_BY}).astype(object)
    seed = pd.util.hash_pandas_object(names, index=False).to_numpy().astype(np.int64)
    drawing = {"seed": seed, "draws": draws}
    metric = _side(table, clusters, "numerator", "denominator" if ratio else None)
    covariate = _side(table, clusters, "covariate", "covariate_denominator" if ratio else None)
    adjusted = _adjusted(clusters, metric, covariate, theta, effect)
    cell = 2 * clusters.comparison + clusters.arm
    moments = cluster_moments(
        cell, clusters.n, adjusted, metric.base,
        covariates=metric.residual, covariate_denominators=metric.base, cells=2 * len(table),
    )  # fmt: skip
    with np.errstate(all="ignore"):
        share = metric.base / moments.denominator[cell]
    alone = np.zeros(2 * len(table), dtype=bool)
    np.logical_or.at(alone, cell, share > _ALL)
    few = alone.reshape(-1, 2).any(axis=1)

    return [
        _cr3_rows(table, moments, effect, result, few, plan, settings.lift_interval),
        _randomization_rows(table, clusters, metric, covariate, theta, effect, few, plan | drawing),
        _bootstrap_rows(table, clusters, adjusted, metric.base, effect, few, plan | drawing),
    ]


def _clusters(table: Comparisons, totals: pd.DataFrame) -> _Clusters:
    """Line up the clusters of both arms; a control's clusters belong to each of its comparisons."""
    arms = []
    for arm, name in enumerate(ARMS):
        found = rows_of_arm(table, totals, name)
        arms.append(totals.iloc[found.row].assign(comparison=found.comparison, arm=arm))
    # Sums must not depend on the order in which the engine hands over its rows.
    rows = pd.concat(arms, ignore_index=True).sort_values(["comparison", "arm", "cluster_id"], ignore_index=True)
    return _Clusters(
        rows["comparison"].to_numpy(dtype=np.intp),
        rows["arm"].to_numpy(dtype=np.intp),
        rows["n"].to_numpy(dtype=np.float64),
        rows["cluster_id"].to_numpy(dtype=np.str_),
        rows,
    )


def _side(table: Comparisons, clusters: _Clusters, above: str, below: str | None) -> _Side:
    """Read a metric's totals; without a denominator the units are its base."""
    own = (clusters.arm, clusters.comparison)
    mean = np.stack([np.nan_to_num(table.number(f"mean_{above}_{arm}")) for arm in ARMS])
    total = clusters.rows[f"total_{above}"].fillna(0.0).to_numpy(dtype=np.float64)
    if below is None:
        magnitude = np.abs(total) + clusters.n * np.abs(mean[own])
        residual = np.where(np.abs(total) <= _ROUNDING * magnitude, 0.0, total)
        return _Side(mean, np.ones_like(mean), residual, clusters.n, _ROUNDING * magnitude)
    mean_base = np.stack([np.nan_to_num(table.number(f"mean_{below}_{arm}")) for arm in ARMS])
    total_base = clusters.rows[f"total_{below}"].fillna(0.0).to_numpy(dtype=np.float64)
    expected = clusters.n * mean_base[own]
    with np.errstate(all="ignore"):
        ratio = np.where(mean_base == 0.0, np.nan, mean / mean_base)
        base = np.where(np.abs(total_base + expected) <= _NO_DENOMINATOR * np.abs(expected), 0.0, total_base + expected)
        residual = total - ratio[own] * total_base
        magnitude = np.abs(total) + np.abs(ratio[own] * total_base) + 2.0 * clusters.n * np.abs(mean[own])
    residual = np.where(np.abs(residual) <= _ROUNDING * magnitude, 0.0, residual)
    return _Side(ratio, mean_base, residual, base, _ROUNDING * magnitude)


def _adjusted(
    clusters: _Clusters, metric: _Side, covariate: _Side, theta: FloatArray, effect: FloatArray
) -> FloatArray:
    """Totals whose ratio of sums is 0 in control and the effect in treatment, with the adjusted metric's residuals."""
    own = (clusters.arm, clusters.comparison)
    slope = theta[clusters.comparison]
    with np.errstate(all="ignore"):
        scale = np.where(slope != 0.0, slope * metric.mean_base[own] / covariate.mean_base[own], 0.0)
        explained = np.where(slope != 0.0, scale * covariate.residual, 0.0)
        residual = metric.residual - explained
        # What is left of a perfect covariate is rounding.
        rounding = metric.rounding + np.where(slope != 0.0, np.abs(scale) * covariate.rounding, 0.0)
    residual = np.where(np.abs(residual) <= rounding, 0.0, residual)
    return residual + np.where(clusters.arm == 1, effect[clusters.comparison], 0.0) * metric.base


def _around_control(clusters: _Clusters, side: _Side) -> FloatArray:
    """Totals around the control's ratio, which no difference notices, so that they keep their digits."""
    gap = side.ratio[1] - side.ratio[0]
    gap = np.where(np.abs(gap) <= _ROUNDING * np.abs(side.ratio).sum(axis=0), 0.0, gap)
    return side.residual + np.where(clusters.arm == 1, gap[clusters.comparison], 0.0) * side.base


def _status(table: Comparisons, comparison: Comparison, few: BoolArray) -> NDArray[np.object_]:
    status = status_after(table, comparison)
    return np.where(few & (status != "ok"), "too_few_clusters", status)


def _cr3_rows(
    table: Comparisons,
    moments: ClusterMoments,
    effect: FloatArray,
    result: Adjusted,
    few: BoolArray,
    plan: dict[str, npt.ArrayLike],
    lift_method: str,
) -> EstimateRows:
    arm = cluster_arm(moments)
    raw_arm = arm._replace(cr3=moments.cr3[:, 1, 1])
    index = 2 * np.arange(len(table))
    comparison, raw = (
        cluster_difference(each.at(index), each.at(index + 1), kind="CR3", **plan)._replace(effect=effect)
        for each in (arm, raw_arm)
    )
    control = moments.cr3[index]
    lift = lift_interval(
        effect, comparison.se, result.mean_control, np.sqrt(control[:, 1, 1]),
        cov_effect_control=-control[:, 0, 1], df=comparison.df, method=lift_method, **plan,
    )  # fmt: skip
    with np.errstate(all="ignore"):
        reduction = np.where(np.isfinite(comparison.p_value), 1.0 - (comparison.se / raw.se) ** 2, np.nan)
    return estimate_rows(
        table, "cr3", comparison, status=_status(table, comparison, few), lift=lift,
        is_unadjusted=False, variance_reduction=reduction,
    )  # fmt: skip


def _randomization_rows(
    table: Comparisons,
    clusters: _Clusters,
    metric: _Side,
    covariate: _Side,
    theta: FloatArray,
    effect: FloatArray,
    few: BoolArray,
    plan: dict[str, npt.ArrayLike],
) -> EstimateRows:
    above, before = (_around_control(clusters, side) for side in (metric, covariate))
    used = theta[clusters.comparison] != 0.0
    test = randomization_test(
        clusters.comparison, clusters.arm, clusters.n, above, metric.base, statistic="weighted",
        cluster=clusters.name,
        covariate=np.where(used, before, 0.0), covariate_denominator=np.where(used, covariate.base, clusters.n),
        theta=theta, max_exact=MAX_EXACT, comparisons=len(table), **plan,
    )  # fmt: skip
    missing = np.full(len(table), np.nan)
    comparison = Comparison(effect, missing, missing, missing, test.p_value, test.ci_low, test.ci_high)
    return _resampled_rows(table, "randomization", comparison, few, test.assignments, test.is_exact)


def _bootstrap_rows(
    table: Comparisons,
    clusters: _Clusters,
    adjusted: FloatArray,
    base: FloatArray,
    effect: FloatArray,
    few: BoolArray,
    plan: dict[str, npt.ArrayLike],
) -> EstimateRows:
    test = wild_cluster_bootstrap(
        clusters.comparison,
        clusters.arm,
        clusters.n,
        adjusted,
        base,
        cluster=clusters.name,
        scores="jackknifed",
        comparisons=len(table),
        **plan,
    )
    missing = np.full(len(table), np.nan)
    comparison = Comparison(effect, test.se, test.statistic, missing, test.p_value, test.ci_low, test.ci_high)
    return _resampled_rows(table, "wild_bootstrap", comparison, few, test.draws, test.is_exact)


def _resampled_rows(
    table: Comparisons,
    estimator: str,
    comparison: Comparison,
    few: BoolArray,
    number: NDArray[np.int64],
    is_exact: BoolArray,
) -> EstimateRows:
    control = np.abs(raw_value(table, "control"))
    missing = np.full(len(table), np.nan)
    with np.errstate(all="ignore"):
        lift = comparison.effect / np.where(control > 0.0, control, np.nan)
        resolution = np.where(number > 0, 1.0 / (number + ~is_exact), np.nan)
    return estimate_rows(
        table, estimator, comparison, status=_status(table, comparison, few),
        lift=Lift(lift, missing, missing, missing, np.full(len(table), None)),
        is_unadjusted=False, p_value_resolution=resolution,
    )  # fmt: skip
