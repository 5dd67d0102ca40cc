"""Result frames with fixed columns and types, whatever they hold.

An engine guesses the type of a column from its values, and guesses wrong where a column is all missing or a frame is
empty: every frame that leaves this package for a warehouse passes here.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd
from numpy.typing import NDArray

EFFECT_COLUMNS = {
    "exp_id": "string",
    "metric_id": "string",
    "variant_id": "string",
    "population": "string",
    "dimension": "string",
    "segment": "string",
    "look_date": "datetime64[us]",
    "metric_type": "string",
    "estimator": "string",
    "is_headline": "boolean",
    "is_unadjusted": "boolean",
    "is_uncorrected": "boolean",
    "n_control": "Int64",
    "n_treatment": "Int64",
    "clusters_control": "Int64",
    "clusters_treatment": "Int64",
    "mean_control": "float64",
    "mean_treatment": "float64",
    "effect": "float64",
    "effect_se": "float64",
    "effect_ci_low": "float64",
    "effect_ci_high": "float64",
    "lift": "float64",
    "lift_ci_low": "float64",
    "lift_ci_high": "float64",
    "lift_method": "string",
    "statistic": "float64",
    "df": "float64",
    "p_value": "float64",
    "p_value_resolution": "float64",
    "cohens_d": "float64",
    "effect_skewness": "float64",
    "variance_reduction": "float64",
    "p_value_adjusted": "float64",
    "correction": "string",
    "correction_family": "string",
    "is_significant": "boolean",
    "omnibus_p_value": "float64",
    "probability_greater": "float64",
    "probability_less": "float64",
    "loss_ship": "float64",
    "loss_keep": "float64",
    "sequential_method": "string",
    "information_fraction": "float64",
    "sequential_p_value": "float64",
    "sequential_ci_low": "float64",
    "sequential_ci_high": "float64",
    "sequential_lift_ci_low": "float64",
    "sequential_lift_ci_high": "float64",
    "sequential_boundary": "float64",
    "first_crossed_on": "datetime64[us]",
    "always_valid_p_value": "float64",
    "always_valid_ci_low": "float64",
    "always_valid_ci_high": "float64",
    "status": "string",
}

# What is made of all headlines at once, or of a posterior, has no place at single looks.
_ONLY_AT_AS_OF = (
    "is_uncorrected", "cohens_d", "p_value_resolution", "p_value_adjusted", "correction", "correction_family",
    "is_significant", "omnibus_p_value", "probability_greater", "probability_less", "loss_ship", "loss_keep",
)  # fmt: skip

LOOK_COLUMNS = {name: kind for name, kind in EFFECT_COLUMNS.items() if name not in _ONLY_AT_AS_OF} | {
    "is_last_look": "boolean"
}

CHECK_COLUMNS = {
    "exp_id": "string",
    "check_name": "string",
    "metric_id": "string",
    "variant_id": "string",
    "statistic": "float64",
    "df": "float64",
    "p_value": "float64",
    "deviation": "float64",
    "note": "string",
}

POWER_COLUMNS = {
    "exp_id": "string",
    "metric_id": "string",
    "variant_id": "string",
    "population": "string",
    "dimension": "string",
    "segment": "string",
    "mde_now_absolute": "float64",
    "mde_now": "float64",
    "mde_absolute": "float64",
    "power_for_mde": "float64",
    "n_needed": "float64",
}


def missing(name: str, rows: int) -> NDArray[np.generic]:
    """Return a column in which nothing is known; what is no column of `EFFECT_COLUMNS` is one of numbers.

    Parameters
    ----------
    name : str
        Name of the column.
    rows : int
        Length of the column.

    Examples
    --------
    >>> missing("effect", 1).tolist(), missing("status", 1).tolist()
    ([nan], [None])
    """
    kind = EFFECT_COLUMNS.get(name, "float64")
    if kind == "string":
        return np.full(rows, None, dtype=object)
    # Not the text "NaT", which would be read once for every row.
    return np.full(rows, np.datetime64("NaT", "us") if kind.startswith("datetime") else np.nan)


def frame_from(columns: Mapping[str, npt.ArrayLike]) -> pd.DataFrame:
    """Return columns as a frame without a copy: they stay apart, and words stay objects.

    Parameters
    ----------
    columns : mapping of str to array_like
        Columns of one length.
    """
    return pd.DataFrame(
        {
            name: pd.Series(values, dtype=object, copy=False) if values.dtype == object else values
            for name, values in columns.items()
        },
        copy=False,
    )


def typed_frame(frame: pd.DataFrame, columns: dict[str, str]) -> pd.DataFrame:
    """Return the named columns, in order, each as its type; missing numbers are null, never NaN.

    Parameters
    ----------
    frame : DataFrame
        Columns that it lacks are all missing; columns that are not named are left out.
    columns : dict of str to str
        Pandas dtype of each column.

    Returns
    -------
    DataFrame
        Nullable types throughout, so that an empty frame has the same types as a full one.

    Examples
    --------
    >>> typed_frame(pd.DataFrame({"n": [], "name": []}), {"name": "string", "n": "Int64"}).dtypes.astype(str).to_list()
    ['string', 'Int64']
    """
    return pd.DataFrame({name: _typed(frame, name, kind) for name, kind in columns.items()}, copy=False)


def _typed(frame: pd.DataFrame, name: str, kind: str) -> pd.Series:
    given = frame[name].array if name in frame else np.full(len(frame), np.nan)
    if kind != "float64":
        return pd.Series(given).astype(kind)
    values = np.asarray(given)
    if values.dtype != np.float64:
        return pd.Series(given).astype("Float64")
    # The numbers stay where they are: only which of them are missing is new.
    return pd.Series(pd.arrays.FloatingArray(values, np.isnan(values), copy=False), copy=False)
