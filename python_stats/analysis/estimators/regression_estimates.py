"""Effects adjusted by regression on several covariates, from the cross-moments of the plans that ask for it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from python_stats.adjustment.pre_period import linearised
from python_stats.adjustment.regression import lin
from python_stats.analysis.settings import DEFAULTS, Settings
from python_stats.analysis.table.arms import cells_of
from python_stats.analysis.table.comparisons import Comparisons
from python_stats.analysis.table.estimate_rows import EstimateRows, estimate_rows
from python_stats.analysis.table.metric_types import is_ratio
from python_stats.analysis.table.statuses import status_after
from python_stats.lift import lift_interval
from python_stats.moments import Moments
from python_stats.wald import Comparison

ESTIMATOR = "regression"

# Fewer units than this per covariate in an arm, and slopes fit noise: the standard error would be too small.
UNITS_PER_COVARIATE = 10


def regression_estimates(
    comparisons: pd.DataFrame | Comparisons, covariate_moments: pd.DataFrame, settings: Settings = DEFAULTS
) -> list[EstimateRows]:
    """Estimate the planned comparisons by Lin's interacted regression.

    Means and rates enter as they are, ratios linearised. The standard error is ``neyman`` of
    `python_stats.lin` with ``target="population"``, so that it measures the same uncertainty as
    the raw comparison's. Without a covariate that varies the estimate is Welch's.

    Parameters
    ----------
    comparisons : DataFrame or Comparisons
        Comparisons that can be made, with the columns of the model ``look_comparison``.
    covariate_moments : DataFrame
        Rows of the model ``covariate_moment``: per plan and variant the means and covariances of (numerator,
        denominator, covariates) in long form, in any order.
    settings : Settings
        ``lift_interval``.

    Returns
    -------
    list of EstimateRows
        A row for every comparison at the last look whose plan asks for ``regression`` and whose units are independent,
        with ``variance_reduction``. Status ``too_few_units`` where an arm has fewer than
        `UNITS_PER_COVARIATE` units per covariate that varies.

    References
    ----------
    Lin, W. (2013). Agnostic notes on regression adjustments to experimental data. Annals of Applied Statistics 7,
    295-318.
    """
    table = Comparisons.of(comparisons)
    asked = table.is_word("estimator", ESTIMATOR) & table.flag("is_last_look") & ~table.flag("is_clustered")
    if covariate_moments.empty or not asked.any():
        return []
    cells = cells_of(covariate_moments)
    moments = _moments(covariate_moments, cells.cell)
    table, control, treatment = cells.places(table.take(asked))
    ratios = is_ratio(table)
    return [
        _estimates(table.take(picked), moments[control[picked]], moments[treatment[picked]], ratio, settings)
        for ratio, picked in ((False, ~ratios), (True, ratios))
        if picked.any()
    ]


def _moments(long: pd.DataFrame, cell: NDArray[np.intp]) -> Moments:
    """Lay the long form out as one padded array; what a cell does not have is NaN, and so is left out."""
    cells = int(cell.max(initial=-1)) + 1
    row, column = (long[f"{side}_place"].to_numpy(dtype=np.intp) for side in ("row", "column"))
    size = max(int(row.max(initial=1)) + 1, 2)
    n = np.full(cells, np.nan)
    mean, cov = np.full((cells, size), np.nan), np.full((cells, size, size), np.nan)
    n[cell] = long["n"].to_numpy(dtype=np.float64)
    mean[cell, row] = long["row_mean"].to_numpy(dtype=np.float64)
    cov[cell, row, column] = cov[cell, column, row] = long["covariance"].to_numpy(dtype=np.float64)
    return Moments(n, mean, cov)


def _estimates(
    table: Comparisons, control: Moments, treatment: Moments, ratio: bool, settings: Settings
) -> EstimateRows:
    covariates = list(range(2, control.mean.shape[-1]))
    outcome: tuple[int, int] | int = (0, 1) if ratio else 0
    arms = [linearised(arm, [outcome, *covariates]) for arm in (control, treatment)]
    plan = table.plan
    result = lin(*arms, target="population", **plan)

    varying = ((np.nan_to_num(arms[0].var[:, 1:]) > 0) | (np.nan_to_num(arms[1].var[:, 1:]) > 0)).sum(axis=1)
    too_few = np.minimum(control.n, treatment.n) < UNITS_PER_COVARIATE * varying
    comparison = Comparison(*(np.where(too_few, np.nan, field) for field in result.comparison))
    lift = lift_interval(
        comparison.effect, comparison.se, result.mean_control, result.se_control,
        cov_effect_control=result.cov_effect_control, df=comparison.df,
        method=settings.lift_interval, **plan,
    )  # fmt: skip
    return estimate_rows(
        table, ESTIMATOR, comparison, status=np.where(too_few, "too_few_units", status_after(table, comparison)),
        lift=lift, is_unadjusted=False,
        variance_reduction=np.where(np.isfinite(comparison.p_value), result.variance_reduction, np.nan),
    )  # fmt: skip
