"""Estimators that have no correction, where the difference that they refine is skewed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from python_stats.analysis.estimators.register import BY_NAME
from python_stats.analysis.table.estimate_rows import EstimateRows
from python_stats.analysis.table.metric_types import is_rate

# What a refused row does not have.
NUMBERS = (
    "effect_se", "effect_ci_low", "effect_ci_high", "statistic", "df", "p_value", "lift_ci_low", "lift_ci_high",
    "variance_reduction", "p_value_resolution",
)  # fmt: skip


def refuse_skewed(parts: Sequence[EstimateRows], skewness_limit: float) -> list[EstimateRows]:
    """Show the raw difference's skewness on estimates without a correction, and refuse them where that is refused.

    Parameters
    ----------
    parts : sequence of EstimateRows
        Rows of one estimator each, with the unadjusted row of every comparison.
    skewness_limit : float
        Skewness, in size, beyond which there is no test. Raw rates have one of their own there, which says nothing
        about these.

    Returns
    -------
    list of EstimateRows
        The rows; those of estimators that take the difference as normal have its ``effect_skewness`` and, beyond the
        limit, status ``too_skewed`` without test and interval. Below it the check ``normal_approximation`` warns of
        them.
    """
    uncorrected = [BY_NAME[part.estimator].takes_difference_as_normal for part in parts]
    if not any(uncorrected):
        return list(parts)
    whole = parts[0].table.whole
    raw_skewness, raw_refused = np.full(len(whole), np.nan), np.zeros(len(whole), dtype=bool)
    for part in parts:
        own = part.take(part["is_unadjusted"])
        raw_skewness[own.table.rows] = own["effect_skewness"]
        raw_refused[own.table.rows] = own["status"] == "too_skewed"
    shown = []
    for part, is_uncorrected in zip(parts, uncorrected, strict=True):
        if not is_uncorrected:
            shown.append(part)
            continue
        rows = part.table.rows
        beyond = is_rate(part.table) & (np.abs(raw_skewness[rows]) > skewness_limit)
        refused = (raw_refused[rows] | beyond) & part.is_ok
        without = {name: np.where(refused, np.nan, part[name]) for name in NUMBERS if name in part.columns}
        status = part["status"].copy()
        status[refused] = "too_skewed"
        shown.append(part.having(effect_skewness=raw_skewness[rows], status=status, **without))
    return shown
