"""Why a comparison cannot be made, before any estimator has run."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray


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
    issue = table["issue"].astype(object)
    return np.where(issue.isna(), status, issue)
