"""Effects adjusted by regression on several covariates, from the cross-moments of the plans that ask for it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from python_stats.adjustment.pre_period import linearised
from python_stats.adjustment.regression import lin
from python_stats.analysis.estimate_rows import KEYS, estimate_rows, level_and_side
from python_stats.analysis.status_after import status_after
from python_stats.lift import lift_interval
from python_stats.moments import Moments
from python_stats.wald import Comparison

FloatArray = NDArray[np.float64]

ESTIMATOR = "regression"

# Fewer units than this per covariate in an arm, and slopes fit noise: the standard error would be too small.
UNITS_PER_COVARIATE = 10


def regression_estimates(
    comparisons: pd.DataFrame, covariate_moments: pd.DataFrame, *, lift_method: str = "log_delta"
) -> pd.DataFrame:
    """Estimate the planned comparisons by Lin's interacted regression.

    Means and rates enter as they are, ratios linearised. The standard error is ``neyman`` of
    `python_stats.lin` with ``target="population"``, so that it measures the same uncertainty as
    the raw comparison's. Without a covariate that varies the estimate is Welch's.

    Parameters
    ----------
    comparisons : DataFrame
        Comparisons that can be made, with the columns of the model ``look_comparison``.
    covariate_moments : DataFrame
        Rows of the model ``covariate_moment``: per plan and variant the means and covariances of (numerator,
        denominator, covariates) in long form, in any order.
    lift_method : {"log_delta", "fieller"}
        As ``method`` of `python_stats.lift_interval`.

    Returns
    -------
    DataFrame
        One row per comparison at the last look whose plan asks for ``regression`` and whose units are independent, as
        `estimate_rows` lays them out, with ``variance_reduction``. Status ``too_few_units`` where an arm has fewer than
        `UNITS_PER_COVARIATE` units per covariate that varies.

    References
    ----------
    Lin, W. (2013). Agnostic notes on regression adjustments to experimental data. Annals of Applied Statistics 7,
    295-318.
    """
    asked = (comparisons["estimator"] == ESTIMATOR).to_numpy(dtype=bool) & comparisons["is_last_look"].to_numpy(
        dtype=bool
    )
    table = comparisons[asked & ~comparisons["is_clustered"].to_numpy(dtype=bool)]
    cells, moments = _cells(covariate_moments)
    control = _place(cells, table, "control_variant_id")
    treatment = _place(cells, table, "variant_id")
    known = (control >= 0) & (treatment >= 0)
    table, control, treatment = table[known].reset_index(drop=True), control[known], treatment[known]
    is_ratio = (table["metric_type"] == "ratio").to_numpy()
    parts = [
        _estimates(
            table[picked].reset_index(drop=True),
            moments[control[picked]],
            moments[treatment[picked]],
            ratio,
            lift_method,
        )
        for ratio, picked in ((False, ~is_ratio), (True, is_ratio))
        if picked.any()
    ]
    return pd.concat(parts, ignore_index=True) if parts else table[KEYS]


def _cells(moments: pd.DataFrame) -> tuple[pd.MultiIndex, Moments]:
    """Lay the long form out as one padded array; what a cell does not have is NaN, and so is left out."""
    keys = pd.MultiIndex.from_frame(moments[["plan_key", "variant_id"]])
    cell, cells = pd.factorize(keys)
    row, column = (moments[f"{side}_place"].to_numpy(dtype=np.intp) for side in ("row", "column"))
    size = max(int(row.max(initial=1)) + 1, 2)
    n = np.full(len(cells), np.nan)
    mean, cov = np.full((len(cells), size), np.nan), np.full((len(cells), size, size), np.nan)
    n[cell] = moments["n"].to_numpy(dtype=np.float64)
    mean[cell, row] = moments["row_mean"].to_numpy(dtype=np.float64)
    cov[cell, row, column] = cov[cell, column, row] = moments["covariance"].to_numpy(dtype=np.float64)
    return cells, Moments(n, mean, cov)


def _place(cells: pd.MultiIndex, table: pd.DataFrame, variant: str) -> NDArray[np.intp]:
    """Where each comparison's arm is among the cells; -1 where it is not."""
    return cells.get_indexer(pd.MultiIndex.from_frame(table[["plan_key", variant]]))


def _estimates(
    table: pd.DataFrame, control: Moments, treatment: Moments, ratio: bool, lift_method: str
) -> pd.DataFrame:
    covariates = list(range(2, control.mean.shape[-1]))
    outcome: tuple[int, int] | int = (0, 1) if ratio else 0
    arms = [linearised(arm, [outcome, *covariates]) for arm in (control, treatment)]
    plan = level_and_side(table)
    result = lin(*arms, target="population", **plan)

    varying = ((np.nan_to_num(arms[0].var[:, 1:]) > 0) | (np.nan_to_num(arms[1].var[:, 1:]) > 0)).sum(axis=1)
    too_few = np.minimum(control.n, treatment.n) < UNITS_PER_COVARIATE * varying
    comparison = Comparison(*(np.where(too_few, np.nan, field) for field in result.comparison))
    lift = lift_interval(
        comparison.effect, comparison.se, result.mean_control, result.se_control,
        cov_effect_control=result.cov_effect_control, df=comparison.df,
        method=lift_method, **plan,
    )  # fmt: skip
    return estimate_rows(
        table, ESTIMATOR, comparison, status=np.where(too_few, "too_few_units", status_after(table, comparison)),
        lift=lift, is_unadjusted=False,
        variance_reduction=np.where(np.isfinite(comparison.p_value), result.variance_reduction, np.nan),
    )  # fmt: skip
