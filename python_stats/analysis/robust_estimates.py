"""Trimmed means and geometric means, for the plans that ask for them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from python_stats.analysis.estimate_rows import estimate_rows, level_and_side
from python_stats.lift import lift_interval
from python_stats.means.geometric import geometric_means
from python_stats.means.robust import cut_ranks, winsorized_moments_by_rank, yuen_t

FloatArray = NDArray[np.float64]

ARMS = (("control", "control_variant_id"), ("treatment", "variant_id"))


def trimmed_estimates(
    comparisons: pd.DataFrame, trimmed_moment: pd.DataFrame, *, lift_method: str = "log_delta"
) -> pd.DataFrame:
    """Compare trimmed means by Yuen's test.

    Parameters
    ----------
    comparisons : DataFrame
        Rows of the model ``comparison`` that can be made at all.
    trimmed_moment : DataFrame
        Rows of the model ``trimmed_moment``: ``plan_key, variant_id, n, trim_proportion, mean_kept, var_kept,
        lowest_kept, highest_kept``.
    lift_method : {"log_delta", "fieller"}
        As ``method`` of `python_stats.lift_interval`.

    Returns
    -------
    DataFrame
        One row ``trimmed`` per comparison with moments: trimmed means as the arms' values, their difference as the
        effect, the lift relative to the control's trimmed mean. Status ``zero_variance`` where what is kept does not
        vary, ``too_few_units`` where fewer than two values are kept.
    """
    columns = ["n", "mean_kept", "var_kept", "lowest_kept", "highest_kept", "trim_proportion"]
    table, arms = _with_arms(comparisons[comparisons["estimator"] == "trimmed"], trimmed_moment, columns)
    if table.empty:
        return pd.DataFrame()
    share = arms[0][5]
    plan = level_and_side(table)
    sides, spreads, enough = [], [], np.ones(len(table), dtype=bool)
    for n, mean, var, lowest, highest, _ in arms:
        winsorized = winsorized_moments_by_rank(n, mean, var, lowest, highest, proportion=share).var
        kept = cut_ranks(n, share).n_kept
        sides += [mean, winsorized, n]
        enough &= kept >= 2
        with np.errstate(all="ignore"):
            spreads.append(np.sqrt((n - 1) * winsorized / (kept * (kept - 1))))
    comparison = yuen_t(*sides, proportion=share, **plan)
    means = sides[0], sides[3]
    lift = lift_interval(
        comparison.effect, comparison.se, means[0], spreads[0], df=comparison.df, method=lift_method, **plan
    )
    tested = np.isfinite(comparison.p_value)
    status = np.where(tested, "ok", np.where(enough, "zero_variance", "too_few_units"))
    return estimate_rows(
        table, "trimmed", comparison, status=status, lift=lift, mean_control=means[0], mean_treatment=means[1],
        is_unadjusted=False, control_variance=np.where(tested, spreads[0] ** 2, np.nan),
    )  # fmt: skip


def geometric_estimates(comparisons: pd.DataFrame, log_moment: pd.DataFrame) -> pd.DataFrame:
    """Compare geometric means by Welch's test of the logarithms.

    Parameters
    ----------
    comparisons : DataFrame
        Rows of the model ``comparison`` that can be made at all.
    log_moment : DataFrame
        Rows of the model ``log_moment``: ``plan_key, variant_id, n, n_not_positive, mean_log, var_log``.

    Returns
    -------
    DataFrame
        One row ``geometric`` per comparison with moments: geometric means as the arms' values, their difference as the
        effect, their ratio minus 1 as the lift. Status ``not_positive`` where a unit's value is zero or less (a unit
        without outcome is zero), ``zero_variance`` where neither arm varies.
    """
    columns = ["mean_log", "var_log", "n", "n_not_positive"]
    table, arms = _with_arms(comparisons[comparisons["estimator"] == "geometric"], log_moment, columns)
    if table.empty:
        return pd.DataFrame()
    result = geometric_means(*arms[0][:3], *arms[1][:3], **level_and_side(table))
    positive = (arms[0][3] == 0) & (arms[1][3] == 0)
    tested = np.isfinite(result.comparison.p_value)
    status = np.where(tested, "ok", np.where(positive, "zero_variance", "not_positive"))
    # One arm's geometric mean is right even where the other has none, but it would stand beside no comparison.
    means = [np.where(positive, mean, np.nan) for mean in (result.mean_control, result.mean_treatment)]
    with np.errstate(all="ignore"):
        own = np.where(tested, means[0] ** 2 * arms[0][1] / arms[0][2], np.nan)
    return estimate_rows(
        table, "geometric", result.comparison, status=status, lift=result.lift, mean_control=means[0],
        mean_treatment=means[1], is_unadjusted=False, control_variance=own,
    )  # fmt: skip


def _with_arms(
    comparisons: pd.DataFrame, moments: pd.DataFrame, columns: list[str]
) -> tuple[pd.DataFrame, list[list[FloatArray]]]:
    """Return the comparisons whose arms both have moments, and the columns of each arm beside them."""
    if comparisons.empty or moments.empty:
        return comparisons.iloc[:0], []
    table = comparisons
    for arm, variant in ARMS:
        renamed = {"variant_id": variant, **{column: f"{column}_of_{arm}" for column in columns}}
        table = table.merge(moments[["plan_key", *renamed]].rename(columns=renamed), on=["plan_key", variant])
    return table, [[table[f"{c}_of_{arm}"].to_numpy(dtype=np.float64) for c in columns] for arm, _ in ARMS]
