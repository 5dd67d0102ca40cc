"""Why a comparison that could be made has no test: reasons that show only once the numbers are there."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from python_stats.wald import Comparison


def status_after(table: pd.DataFrame, comparison: Comparison) -> NDArray[np.object_]:
    """Say ``ok`` where there is a test, and why not where there is none.

    Parameters
    ----------
    table : DataFrame
        The comparisons estimated, with the columns of the model ``look_comparison``.
    comparison : Comparison
        One element per row of ``table``.

    Returns
    -------
    ndarray of str
        ``ok``; ``zero_denominator`` for a ratio with a denominator of zero in an arm; ``too_few_clusters`` where one
        cluster has all of an arm's weight, which leaves nothing to compare it with; ``zero_variance`` otherwise.
    """
    denominators = table[["mean_denominator_control", "mean_denominator_treatment"]].to_numpy(dtype=np.float64)
    undefined = (table["metric_type"] == "ratio").to_numpy() & (denominators == 0).any(axis=1)
    traces = table[["satterthwaite_trace_control", "satterthwaite_trace_treatment"]]
    alone = table["is_clustered"].to_numpy(dtype=bool) & traces.isna().any(axis=1).to_numpy()
    status = np.select([undefined, alone], ["zero_denominator", "too_few_clusters"], "zero_variance").astype(object)
    return np.where(np.isfinite(comparison.p_value), "ok", status)
