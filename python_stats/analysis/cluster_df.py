"""Degrees of freedom of the comparisons whose arms are clustered."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from python_stats.clusters import robust_variance


def cluster_df(table: pd.DataFrame) -> NDArray[np.float64]:
    """Bell-McCaffrey degrees of freedom of every comparison's CR2 standard error.

    An arm's weight is what the leverages of the model ``cluster_moment`` are shares of: its units, or for a ratio its
    denominator.

    Parameters
    ----------
    table : DataFrame
        Comparisons with the columns of the model ``look_comparison``.

    Returns
    -------
    ndarray, shape (rows of the table,)
        NaN where an arm is not clustered, or has no variance estimate.

    References
    ----------
    See `python_stats.bell_mccaffrey_df`.
    """
    is_ratio = (table["metric_type"] == "ratio").to_numpy()
    arms = []
    for arm in ("control", "treatment"):
        n, per_unit, trace = (
            table[f"{column}_{arm}"].to_numpy(dtype=np.float64)
            for column in ("n", "mean_denominator", "satterthwaite_trace")
        )
        arms += [n * np.where(is_ratio, per_unit, 1.0), trace]
    return robust_variance.bell_mccaffrey_df(*arms)


def cluster_level_df(table: pd.DataFrame) -> NDArray[np.float64]:
    """Degrees of freedom of every comparison's CR2 standard error where clusters vary as wholes.

    Parameters
    ----------
    table : DataFrame
        Comparisons with the columns of the model ``look_comparison``.

    Returns
    -------
    ndarray, shape (rows of the table,)
        NaN where an arm is not clustered, or has no variance estimate.

    References
    ----------
    See `python_stats.cluster_level_df`.
    """
    columns = [
        table[f"{column}_{arm}"].to_numpy(dtype=np.float64)
        for arm in ("control", "treatment")
        for column in ("cluster_level", "cluster_level_trace")
    ]
    return robust_variance.cluster_level_df(*columns)
