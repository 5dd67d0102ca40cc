"""Mann-Whitney tests for the plans that ask for them, from rank sums."""

from __future__ import annotations

import numpy as np
import pandas as pd

from python_stats.analysis.settings import DEFAULTS, Settings
from python_stats.analysis.table.arms import rows_of_arm
from python_stats.analysis.table.comparisons import ARMS, Comparisons
from python_stats.analysis.table.estimate_rows import EstimateRows, estimate_rows
from python_stats.means.ranks import brunner_munzel, mann_whitney
from python_stats.wald import Comparison

# With fewer units in an arm, Brunner and Munzel's interval covered 90 % instead of 95.
UNITS_FOR_INTERVAL = 100


def rank_estimates(
    comparisons: pd.DataFrame | Comparisons, rank_sum: pd.DataFrame, settings: Settings = DEFAULTS
) -> list[EstimateRows]:
    """Compare the units of each treatment with those of its control by their ranks.

    Parameters
    ----------
    comparisons : DataFrame or Comparisons
        Rows of the model ``comparison`` that can be made at all.
    rank_sum : DataFrame
        Rows of the model ``rank_sum``: ``plan_key, variant_id, n_control, n_treatment, rank_sum_treatment, tie_term,
        var_placement_control, var_placement_treatment``.
    settings : Settings
        None is used.

    Returns
    -------
    list of EstimateRows
        A row ``mann_whitney`` for every comparison with rank sums. The test is Mann and Whitney's, with ties corrected
        for (exact for up to 30 untied units an arm). The effect is the probability of superiority minus one half, 0
        where neither arm tends to be larger; its standard error and interval are Brunner and Munzel's, from the
        placements, and missing where an arm has fewer than `UNITS_FOR_INTERVAL` units. The values of the arms are their
        raw means, there is no lift. Status ``zero_variance`` where all units are tied.
    """
    columns = ["rank_sum_treatment", "tie_term", "var_placement_control", "var_placement_treatment"]
    table = Comparisons.of(comparisons)
    table = table.take(table.is_word("estimator", "mann_whitney"))
    if rank_sum.empty or not len(table):
        return []
    # The sums of a treatment are those of its ranks among the units of both arms.
    found = rows_of_arm(table, rank_sum, "treatment")
    table = table.take(found.comparison)
    ranks, ties, spread_control, spread_treatment = (
        rank_sum[c].to_numpy(dtype=np.float64, na_value=np.nan)[found.row] for c in columns
    )
    sizes = [table.number(f"n_{arm}") for arm in ARMS]
    alternative = table.plan["alternative"]
    test = mann_whitney(ranks, *sizes, ties, alternative=alternative)
    placed = brunner_munzel(
        test.superiority, spread_control, sizes[0], spread_treatment, sizes[1],
        alpha=table.number("alpha"), alternative=alternative,
    )  # fmt: skip
    tested = np.isfinite(test.p_value)
    enough = np.minimum(*sizes) >= UNITS_FOR_INTERVAL
    se, low, high = (np.where(tested & enough & np.isfinite(placed.ci_low), x, np.nan)
                     for x in (placed.se, placed.ci_low - 0.5, placed.ci_high - 0.5))  # fmt: skip
    comparison = Comparison(
        effect=test.superiority - 0.5,
        se=se,
        statistic=test.statistic,
        df=np.full(len(table), np.nan),
        p_value=test.p_value,
        ci_low=low,
        ci_high=high,
    )
    status = np.where(tested, "ok", "zero_variance")
    return [estimate_rows(table, "mann_whitney", comparison, status=status, is_unadjusted=False)]
