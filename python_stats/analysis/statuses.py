"""Why a comparison cannot be made, before any estimator has run."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

# A ratio of sums is close to linear in its denominator only where that is this many standard errors away from zero.
CLEAR_DENOMINATOR = 5.0


def status_before(table: pd.DataFrame, min_units: int) -> NDArray[np.object_]:
    """Why each comparison cannot be made at all; an empty string where it can.

    Parameters
    ----------
    table : DataFrame
        Comparisons with the columns of the model ``look_comparison``.
    min_units : int
        An arm with fewer mature units has a status instead of a test.
    """
    fewest = table[["n_control", "n_treatment"]].min(axis=1).to_numpy(dtype=np.float64)
    clusters = table[["clusters_control", "clusters_treatment"]].min(axis=1).to_numpy(dtype=np.float64)
    status = np.full(len(table), "", dtype=object)
    status[(clusters < 2) & table["is_clustered"].to_numpy(dtype=bool)] = "too_few_clusters"
    status[fewest < max(min_units, 2)] = "too_few_units"
    status[fewest == 0] = "not_mature"
    status[(status == "") & _near_zero(table)] = "denominator_near_zero"
    issue = table["issue"].astype(object)
    return np.where(issue.isna(), status, issue)


def _near_zero(table: pd.DataFrame) -> NDArray[np.bool_]:
    """Whether a ratio's denominator, in either arm, is too uncertain to divide by; zero itself is another status."""
    near = np.zeros(len(table), dtype=bool)
    for arm in ("control", "treatment"):
        # By units for clusters too: how many events there are is the question, not how unlike the clusters are.
        mean, n, variance = (
            table[f"{name}_{arm}"].to_numpy(dtype=np.float64) for name in ("mean_denominator", "n", "var_denominator")
        )
        with np.errstate(all="ignore"):
            near |= (mean != 0) & (np.abs(mean) < CLEAR_DENOMINATOR * np.sqrt(variance / n))
    return near & (table["metric_type"] == "ratio").to_numpy()
