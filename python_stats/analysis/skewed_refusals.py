"""Planned estimators that have no correction, where the difference that they refine is skewed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from python_stats.analysis.effect_skewness import mean_skewness, ratio_skewness
from python_stats.analysis.estimate_rows import KEYS
from python_stats.analysis.quantile_estimates import is_quantile

# They take the difference of the arms as normal, by sums that no skewness follows from.
UNCORRECTED = ("regression", "poststratified", "difference_in_differences", "cace", "cr3", "wild_bootstrap")

# What a refused row does not have.
NUMBERS = [
    "effect_se", "effect_ci_low", "effect_ci_high", "statistic", "df", "p_value", "lift_ci_low", "lift_ci_high",
    "variance_reduction", "p_value_resolution",
]  # fmt: skip


def refuse_skewed(estimates: pd.DataFrame, comparisons: pd.DataFrame, skewness_limit: float) -> pd.DataFrame:
    """Show the raw difference's skewness on estimates without a correction, and refuse them where it is too large.

    Parameters
    ----------
    estimates : DataFrame
        Rows of `estimate_rows.estimate_rows`.
    comparisons : DataFrame
        The comparisons, with the columns of the model ``look_comparison``.
    skewness_limit : float
        Skewness, in size, beyond which there is no test.

    Returns
    -------
    DataFrame
        The rows, those of `UNCORRECTED` with ``effect_skewness`` and, beyond the limit, status ``too_skewed`` without
        test and interval. Below it the check ``normal_approximation`` warns of them.
    """
    rows = estimates["estimator"].isin(UNCORRECTED)
    if not rows.any():
        return estimates
    table = comparisons[~is_quantile(comparisons)].reset_index(drop=True)
    ratio = (table["metric_type"] == "ratio").to_numpy()
    effect, clear = np.full(len(table), np.nan), np.zeros(len(table), dtype=bool)
    for picked, skewness in ((~ratio, lambda part: mean_skewness(part, np.zeros(len(part)))), (ratio, ratio_skewness)):
        if picked.any():
            found = skewness(table[picked])
            effect[picked], clear[picked] = found.effect, found.is_clear
    known = table[KEYS].assign(raw_skewness=effect, is_clear=clear)
    found = estimates.loc[rows, KEYS].merge(known, on=KEYS, how="left")
    skewness = found["raw_skewness"].to_numpy(dtype=np.float64)
    refused = found["is_clear"].fillna(False).to_numpy(dtype=bool) & (np.abs(skewness) > skewness_limit)
    refused &= (estimates.loc[rows, "status"] == "ok").to_numpy()
    shown = estimates.assign(effect_skewness=estimates.get("effect_skewness", np.nan))
    index = shown.index[rows]
    shown.loc[index, "effect_skewness"] = skewness
    shown.loc[index[refused], [name for name in NUMBERS if name in shown]] = np.nan
    shown.loc[index[refused], "status"] = "too_skewed"
    return shown
