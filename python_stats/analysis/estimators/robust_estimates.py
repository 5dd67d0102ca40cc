"""Trimmed means and geometric means, for the plans that ask for them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from python_stats.analysis.settings import DEFAULTS, Settings
from python_stats.analysis.table.arms import arms_of
from python_stats.analysis.table.comparisons import Comparisons
from python_stats.analysis.table.estimate_rows import EstimateRows, estimate_rows
from python_stats.lift import lift_interval
from python_stats.means.geometric import geometric_means
from python_stats.means.robust import cut_ranks, winsorized_moments_by_rank, yuen_t


def trimmed_estimates(
    comparisons: pd.DataFrame | Comparisons, trimmed_moment: pd.DataFrame, settings: Settings = DEFAULTS
) -> list[EstimateRows]:
    """Compare trimmed means by Yuen's test.

    Parameters
    ----------
    comparisons : DataFrame or Comparisons
        Rows of the model ``comparison`` that can be made at all.
    trimmed_moment : DataFrame
        Rows of the model ``trimmed_moment``: ``plan_key, variant_id, n, trim_proportion, mean_kept, var_kept,
        lowest_kept, highest_kept``.
    settings : Settings
        ``lift_interval``.

    Returns
    -------
    list of EstimateRows
        A row ``trimmed`` for every comparison with moments: trimmed means as the arms' values, their difference as the
        effect, the lift relative to the control's trimmed mean. Status ``zero_variance`` where what is kept does not
        vary, ``too_few_units`` where fewer than two values are kept.
    """
    columns = ["n", "mean_kept", "var_kept", "lowest_kept", "highest_kept", "trim_proportion"]
    table = Comparisons.of(comparisons)
    table, arms = arms_of(table.take(table.is_word("estimator", "trimmed")), trimmed_moment, columns)
    if not len(table):
        return []
    share = arms[0][5]
    plan = table.plan
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
        comparison.effect, comparison.se, means[0], spreads[0], df=comparison.df, method=settings.lift_interval, **plan
    )
    tested = np.isfinite(comparison.p_value)
    status = np.where(tested, "ok", np.where(enough, "zero_variance", "too_few_units"))
    return [
        estimate_rows(
            table, "trimmed", comparison, status=status, lift=lift, mean_control=means[0], mean_treatment=means[1],
            is_unadjusted=False, control_variance=np.where(tested, spreads[0] ** 2, np.nan),
        )
    ]  # fmt: skip


def geometric_estimates(
    comparisons: pd.DataFrame | Comparisons, log_moment: pd.DataFrame, settings: Settings = DEFAULTS
) -> list[EstimateRows]:
    """Compare geometric means by Welch's test of the logarithms.

    Parameters
    ----------
    comparisons : DataFrame or Comparisons
        Rows of the model ``comparison`` that can be made at all.
    log_moment : DataFrame
        Rows of the model ``log_moment``: ``plan_key, variant_id, n, n_not_positive, mean_log, var_log``.
    settings : Settings
        None is used.

    Returns
    -------
    list of EstimateRows
        A row ``geometric`` for every comparison with moments: geometric means as the arms' values, their difference as
        the effect, their ratio minus 1 as the lift. Status ``not_positive`` where a unit's value is zero or less (a
        unit without outcome is zero), ``zero_variance`` where neither arm varies.
    """
    columns = ["mean_log", "var_log", "n", "n_not_positive"]
    table = Comparisons.of(comparisons)
    table, arms = arms_of(table.take(table.is_word("estimator", "geometric")), log_moment, columns)
    if not len(table):
        return []
    result = geometric_means(*arms[0][:3], *arms[1][:3], **table.plan)
    positive = (arms[0][3] == 0) & (arms[1][3] == 0)
    tested = np.isfinite(result.comparison.p_value)
    status = np.where(tested, "ok", np.where(positive, "zero_variance", "not_positive"))
    # One arm's geometric mean is right even where the other has none, but it would stand beside no comparison.
    means = [np.where(positive, mean, np.nan) for mean in (result.mean_control, result.mean_treatment)]
    with np.errstate(all="ignore"):
        own = np.where(tested, means[0] ** 2 * arms[0][1] / arms[0][2], np.nan)
    return [
        estimate_rows(
            table, "geometric", result.comparison, status=status, lift=result.lift, mean_control=means[0],
            mean_treatment=means[1], is_unadjusted=False, control_variance=own,
        )
    ]  # fmt: skip
