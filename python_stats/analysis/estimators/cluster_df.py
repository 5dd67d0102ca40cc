"""Degrees of freedom of the comparisons whose arms are clustered."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from python_stats.analysis.table.comparisons import ARMS, Comparisons
from python_stats.analysis.table.metric_types import is_ratio
from python_stats.clusters import robust_variance


def cluster_df(table: Comparisons) -> NDArray[np.float64]:
    """Bell-McCaffrey degrees of freedom of every comparison's CR2 standard error.

    An arm's weight is what the leverages of the model ``cluster_moment`` are shares of: its units, or for a ratio its
    denominator.

    Parameters
    ----------
    table : Comparisons
        The comparisons.

    Returns
    -------
    ndarray, shape (rows of the table,)
        NaN where an arm is not clustered, or has no variance estimate.

    References
    ----------
    See `python_stats.bell_mccaffrey_df`.
    """
    arms = []
    for arm in ARMS:
        n, per_unit, trace = table.of_arm(arm, "n", "mean_denominator", "satterthwaite_trace")
        arms += [n * np.where(is_ratio(table), per_unit, 1.0), trace]
    return robust_variance.bell_mccaffrey_df(*arms)


def cluster_level_df(table: Comparisons) -> NDArray[np.float64]:
    """Degrees of freedom of every comparison's CR2 standard error where clusters vary as wholes.

    Parameters
    ----------
    table : Comparisons
        The comparisons.

    Returns
    -------
    ndarray, shape (rows of the table,)
        NaN where an arm is not clustered, or has no variance estimate.

    References
    ----------
    See `python_stats.cluster_level_df`.
    """
    columns = [values for arm in ARMS for values in table.of_arm(arm, "cluster_level", "cluster_level_trace")]
    return robust_variance.cluster_level_df(*columns)
