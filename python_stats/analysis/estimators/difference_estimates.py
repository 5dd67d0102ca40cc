"""Differences in differences: the arms' changes from the pre-period to the window, from moments alone."""

from __future__ import annotations

import numpy as np
import pandas as pd

from python_stats.adjustment.causal import difference_in_differences
from python_stats.adjustment.pre_period import linearised
from python_stats.analysis.estimators.cluster_df import cluster_df
from python_stats.analysis.settings import DEFAULTS, Settings
from python_stats.analysis.table.arms import VARIABLES
from python_stats.analysis.table.comparisons import ARMS, Comparisons
from python_stats.analysis.table.estimate_rows import EstimateRows, estimate_rows
from python_stats.analysis.table.metric_types import is_ratio
from python_stats.analysis.table.statuses import status_after
from python_stats.lift import lift_interval
from python_stats.moments import Moments, linear_combination
from python_stats.wald import Comparison, wald

ESTIMATOR = "difference_in_differences"


def difference_estimates(comparisons: pd.DataFrame | Comparisons, settings: Settings = DEFAULTS) -> list[EstimateRows]:
    """Estimate the planned comparisons by the difference of the arms' changes since the pre-period.

    The pre-period's total is multiplied by ``period_ratio`` (days of the window per day of the pre-period), so that
    equal rates per day are no change; of ratios, the ratio now and in the pre-period are compared as they are. The test
    is Welch's on the units' changes; clusters have their robust variance and Bell-McCaffrey degrees of freedom.

    Parameters
    ----------
    comparisons : DataFrame or Comparisons
        Comparisons that can be made, with the columns of the model ``look_comparison``, among them ``period_ratio``
        (missing where the two periods cannot be compared).
    settings : Settings
        ``lift_interval``.

    Returns
    -------
    list of EstimateRows
        A row for every comparison whose plan asks for ``difference_in_differences`` and that has a pre-period in which
        something happened, with ``variance_reduction`` (negative where the raw
        comparison is more precise).

    References
    ----------
    Angrist, J. D. and Pischke, J.-S. (2009). Mostly harmless econometrics, section 5.2. Princeton University Press.
    """
    table = Comparisons.of(comparisons)
    table = table.take(table.is_word("estimator", ESTIMATOR))
    spread = [np.nan_to_num(table.number(f"var_covariate_{arm}")) for arm in ARMS]
    table = table.take(((spread[0] > 0) | (spread[1] > 0)) & ~np.isnan(table.number("period_ratio")))
    ratios = is_ratio(table)
    return [
        _estimates(table.take(picked), ratio, settings)
        for ratio, picked in ((False, ~ratios), (True, ratios))
        if picked.any()
    ]


def _estimates(table: Comparisons, ratio: bool, settings: Settings) -> EstimateRows:
    plan = table.plan
    arms = [_now_and_before(table, arm, "", ratio) for arm in ARMS]
    comparison = difference_in_differences(
        *(
            part
            for arm in arms
            for part in (arm.mean[:, 1], arm.mean[:, 0], arm.var[:, 1], arm.var[:, 0], arm.cov[:, 0, 1], arm.n)
        ),
        **plan,
    )
    own = [arm.var[:, 0] / arm.n for arm in arms]
    cov_effect = -(arms[0].var[:, 0] - arms[0].cov[:, 0, 1]) / arms[0].n

    clustered = table.flag("is_clustered")
    if clustered.any():
        robust = [_now_and_before(table, arm, "cluster_", ratio) for arm in ARMS]
        df = cluster_df(table)
        se = np.sqrt(sum(linear_combination(arm, [1.0, -1.0]).var[:, 0] / arm.n for arm in robust))
        # Units without spread in their changes have clusters without it, but for rounding.
        se = np.where(np.isfinite(comparison.p_value), se, np.nan)
        by_cluster = wald(comparison.effect, se, df, **plan)
        comparison = Comparison(*(np.where(clustered, c, u) for c, u in zip(by_cluster, comparison, strict=True)))
        own = [np.where(clustered, r.var[:, 0] / r.n, u) for r, u in zip(robust, own, strict=True)]
        cov_robust = -(robust[0].var[:, 0] - robust[0].cov[:, 0, 1]) / robust[0].n
        cov_effect = np.where(clustered, cov_robust, cov_effect)

    lift = lift_interval(
        comparison.effect, comparison.se, arms[0].mean[:, 0], np.sqrt(own[0]), cov_effect_control=cov_effect,
        df=comparison.df, method=settings.lift_interval, **plan,
    )  # fmt: skip
    with np.errstate(all="ignore"):
        reduction = 1 - comparison.se**2 / (own[0] + own[1])
    return estimate_rows(
        table, ESTIMATOR, comparison, status=status_after(table, comparison), lift=lift, is_unadjusted=False,
        variance_reduction=np.where(np.isfinite(comparison.p_value), reduction, np.nan),
    )  # fmt: skip


def _now_and_before(table: Comparisons, arm: str, prefix: str, ratio: bool) -> Moments:
    """Moments of the metric in the window and of what the pre-period leads one to expect there."""
    use = VARIABLES if ratio else ("numerator", "covariate")
    mean, cov = np.empty((len(table), len(use))), np.empty((len(table), len(use), len(use)))
    for i, a in enumerate(use):
        mean[:, i] = table.number(f"mean_{a}_{arm}")
        for j, b in enumerate(use[i:], start=i):
            name = f"var_{a}" if a == b else f"cov_{a}_{b}"
            cov[:, i, j] = cov[:, j, i] = table.number(f"{prefix}{name}_{arm}")
    moments = Moments(table.number(f"n_{arm}"), mean, cov)
    if ratio:
        return linearised(moments, [(0, 1), (2, 3)])
    scale = np.zeros((len(table), 2, 2))
    scale[:, 0, 0], scale[:, 1, 1] = 1.0, table.number("period_ratio")
    return linear_combination(moments, scale)
