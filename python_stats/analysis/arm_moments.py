"""One arm of a table of comparisons as moments, which is what the estimators take."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from python_stats.moments import Moments

VARIABLES = ("numerator", "denominator", "covariate", "covariate_denominator")


def arm_moments(table: pd.DataFrame, arm: str, use: Sequence[int], *, prefix: str = "") -> Moments:
    """Read the moments of one arm.

    Parameters
    ----------
    table : DataFrame
        Comparisons with the columns of the model ``look_comparison``.
    arm : {"control", "treatment"}
        The arm.
    use : sequence of int
        Places in `VARIABLES`.
    prefix : str, default ""
        ``cluster_`` for the cluster-robust (co)variances.

    Returns
    -------
    Moments, shape (rows of the table,) with one variable per element of ``use``
        A covariate that does not exist is one that does not vary, and so is not used.
    """
    rows = len(table)
    mean, cov = np.empty((rows, len(use))), np.empty((rows, len(use), len(use)))
    for i, a in enumerate(use):
        mean[:, i] = table[f"mean_{VARIABLES[a]}_{arm}"].to_numpy(dtype=np.float64)
        for j, b in enumerate(use[i:], start=i):
            name = f"var_{VARIABLES[a]}" if a == b else f"cov_{VARIABLES[a]}_{VARIABLES[b]}"
            cov[:, i, j] = cov[:, j, i] = table[f"{prefix}{name}_{arm}"].to_numpy(dtype=np.float64)
    covariates = np.array(use) >= VARIABLES.index("covariate")
    mean[:, covariates] = np.nan_to_num(mean[:, covariates])
    either = covariates[:, None] | covariates[None, :]
    cov[:, either] = np.nan_to_num(cov[:, either])
    return Moments(table[f"n_{arm}"].to_numpy(dtype=np.float64), mean, cov)
