"""Post-stratified effects of the experiments whose units have strata, from the moments of each stratum."""

from __future__ import annotations

import numpy as np
import pandas as pd

from python_stats.adjustment.poststratification import poststratified
from python_stats.analysis.settings import DEFAULTS, Settings
from python_stats.analysis.table.arms import rows_of_arm
from python_stats.analysis.table.comparisons import ARMS, Comparisons
from python_stats.analysis.table.estimate_rows import EstimateRows, estimate_rows
from python_stats.analysis.table.metric_types import is_ratio
from python_stats.analysis.table.statuses import status_after
from python_stats.lift import lift_interval
from python_stats.moments import Moments

ESTIMATOR = "poststratified"

# With variances from two or three units, the test rejected 6.4 % of true nulls.
SMALL_STRATUM = 5

VARIABLES = ("numerator", "denominator")


def stratified_estimates(
    comparisons: pd.DataFrame | Comparisons, stratum_moments: pd.DataFrame, settings: Settings = DEFAULTS
) -> list[EstimateRows]:
    """Estimate the comparisons within strata and weight the strata by their share of the units.

    Strata with fewer than `SMALL_STRATUM` units in an arm are merged, by their counts alone; see
    `python_stats.poststratified`.

    Parameters
    ----------
    comparisons : DataFrame or Comparisons
        Comparisons that can be made, with the columns of the model ``look_comparison``.
    stratum_moments : DataFrame
        Rows of the model ``stratum_moment``: per plan, variant and stratum the count, means and (co)variances of
        numerator and denominator.
    settings : Settings
        ``lift_interval``.

    Returns
    -------
    list of EstimateRows
        A row for every comparison at the last look that has strata and independent units, with ``variance_reduction``.

    References
    ----------
    Miratrix, L. W., Sekhon, J. S. & Yu, B. (2013). Adjusting treatment effect estimates by post-stratification in
    randomized experiments. Journal of the Royal Statistical Society B 75, 369-396.
    """
    if stratum_moments.empty:
        return []
    table = Comparisons.of(comparisons)
    plan, plans = table.words("plan_key")
    table = table.take(
        table.flag("is_last_look")
        & ~table.flag("is_clustered")
        & np.append(plans.isin(stratum_moments["plan_key"]), False)[plan]
    )
    ratios = is_ratio(table)
    return [
        _estimates(table.take(picked), stratum_moments, VARIABLES[: 1 + ratio], settings)
        for ratio, picked in ((False, ~ratios), (True, ratios))
        if picked.any()
    ]


def _estimates(
    table: Comparisons, strata: pd.DataFrame, variables: tuple[str, ...], settings: Settings
) -> EstimateRows:
    arms = []
    for arm in ARMS:
        found = rows_of_arm(table, strata, arm)
        arms.append(strata.iloc[found.row].assign(cell=found.comparison).set_index(["cell", "stratum"]))
    # A stratum that only one of the arms has is empty in the other.
    both = arms[0].index.union(arms[1].index)
    control, treatment = (_moments(arm.reindex(both), variables) for arm in arms)
    plan = table.plan
    result = poststratified(
        control, treatment, cell=both.get_level_values("cell").to_numpy(dtype=np.intp), n_cells=len(table),
        small_strata="merge", small_below=SMALL_STRATUM, **plan,
    )  # fmt: skip
    comparison = result.comparison
    lift = lift_interval(
        comparison.effect, comparison.se, result.mean_control, result.se_control,
        cov_effect_control=result.cov_effect_control, df=comparison.df,
        method=settings.lift_interval, **plan,
    )  # fmt: skip
    return estimate_rows(
        table, ESTIMATOR, comparison, status=status_after(table, comparison), lift=lift, is_unadjusted=False,
        variance_reduction=np.where(np.isfinite(comparison.p_value), result.variance_reduction, np.nan),
    )  # fmt: skip


def _moments(rows: pd.DataFrame, variables: tuple[str, ...]) -> Moments:
    size = len(variables)
    cov = np.empty((len(rows), size, size))
    for i, a in enumerate(variables):
        for j, b in enumerate(variables[i:], start=i):
            name = f"var_{a}" if i == j else f"cov_{a}_{b}"
            cov[:, i, j] = cov[:, j, i] = rows[name].to_numpy(dtype=np.float64)
    mean = rows[[f"mean_{v}" for v in variables]].to_numpy(dtype=np.float64)
    return Moments(rows["n"].fillna(0).to_numpy(dtype=np.float64), mean, cov)
