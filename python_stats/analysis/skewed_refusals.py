"""Planned estimators that have no correction, where the difference that they refine is skewed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from python_stats.analysis.estimate_rows import KEYS
from python_stats.analysis.rate_counts import RATES

# They take the difference of the arms as normal, by sums that no skewness follows from.
UNCORRECTED = ("regression", "poststratified", "difference_in_differences", "cace", "cr3", "wild_bootstrap")

# What a refused row does not have.
NUMBERS = [
    "effect_se", "effect_ci_low", "effect_ci_high", "statistic", "df", "p_value", "lift_ci_low", "lift_ci_high",
    "variance_reduction", "p_value_resolution",
]  # fmt: skip


def refuse_skewed(estimates: pd.DataFrame, skewness_limit: float) -> pd.DataFrame:
    """Show the raw difference's skewness on estimates without a correction, and refuse them where that is refused.

    Parameters
    ----------
    estimates : DataFrame
        Rows of `estimate_rows.estimate_rows`, with the unadjusted row of every comparison.
    skewness_limit : float
        Skewness, in size, beyond which there is no test. Raw rates have one of their own there, which says nothing
        about these.

    Returns
    -------
    DataFrame
        The rows, those of `UNCORRECTED` with ``effect_skewness`` and, beyond the limit, status ``too_skewed`` without
        test and interval. Below it the check ``normal_approximation`` warns of them.
    """
    rows = estimates["estimator"].isin(UNCORRECTED)
    if not rows.any():
        return estimates
    raw = estimates.loc[estimates["is_unadjusted"].fillna(False).astype(bool), [*KEYS, "status", "effect_skewness"]]
    found = estimates.loc[rows, [*KEYS, "metric_type"]].merge(raw, on=KEYS, how="left")
    skewness = found["effect_skewness"].to_numpy(dtype=np.float64)
    beyond = found["metric_type"].isin(RATES).to_numpy() & (np.abs(skewness) > skewness_limit)
    refused = (found["status"].eq("too_skewed").to_numpy() | beyond) & estimates.loc[rows, "status"].eq("ok").to_numpy()
    shown, index = estimates.copy(), estimates.index[rows]
    shown.loc[index, "effect_skewness"] = skewness
    shown.loc[index[refused], [name for name in NUMBERS if name in shown]] = np.nan
    shown.loc[index[refused], "status"] = "too_skewed"
    return shown
