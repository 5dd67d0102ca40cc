"""How far each comparison's raw difference is from normal."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from python_stats.skewness import skewness_of_difference


def effect_skewness(table: pd.DataFrame) -> NDArray[np.float64]:
    """Skewness of the raw difference of means.

    Parameters
    ----------
    table : DataFrame
        Comparisons with the columns of the model ``look_comparison``.

    Returns
    -------
    ndarray
        NaN for ratios, quantiles and clusters, whose third moments no moment table holds.
    """
    names = ("mean_numerator", "var_numerator", "n", "cubes_numerator")
    columns = [table[f"{name}_{arm}"].to_numpy(dtype=np.float64) for arm in ("control", "treatment") for name in names]
    known = ~table["metric_type"].isin(["ratio", "quantile"]) & ~table["is_clustered"].astype(bool)
    return np.where(known, skewness_of_difference(*columns), np.nan)
