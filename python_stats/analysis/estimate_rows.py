"""The shape in which every estimator hands over its estimates: one row per comparison and estimator."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from numpy.typing import NDArray

from python_stats.lift import Lift
from python_stats.wald import Comparison

KEYS = ["exp_id", "metric_id", "variant_id", "population", "dimension", "segment", "look_date"]


def level_and_side(table: pd.DataFrame) -> dict[str, npt.ArrayLike]:
    """Return the plan's ``alpha`` and ``alternative`` of every comparison, as the estimators' keyword arguments."""
    return {"alpha": table["alpha"].to_numpy(dtype=np.float64), "alternative": table["alternative"].to_numpy(dtype=str)}


def stacked(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Stack the frames that have rows; pandas would let one without rows decide types."""
    filled = [part for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True) if filled else parts[0]


def raw_value(table: pd.DataFrame, arm: str) -> NDArray[np.float64]:
    """Return the raw metric value of an arm: a mean per unit, or a ratio of sums (NaN where its denominator is 0)."""
    mean = table[f"mean_numerator_{arm}"].to_numpy(dtype=np.float64)
    denominator = table[f"mean_denominator_{arm}"].to_numpy(dtype=np.float64)
    is_ratio = (table["metric_type"] == "ratio").to_numpy()
    with np.errstate(all="ignore"):
        ratio = np.where(denominator == 0, np.nan, mean / denominator)
    return np.where(is_ratio, ratio, mean)


def estimate_rows(
    table: pd.DataFrame,
    estimator: str | NDArray[np.str_],
    comparison: Comparison,
    *,
    status: npt.ArrayLike = "ok",
    lift: Lift | None = None,
    mean_control: npt.ArrayLike | None = None,
    mean_treatment: npt.ArrayLike | None = None,
    **more: npt.ArrayLike,
) -> pd.DataFrame:
    """Lay out one estimator's results of a table of comparisons.

    Parameters
    ----------
    table : DataFrame
        The comparisons estimated, with the columns of the model ``look_comparison``.
    estimator : str or ndarray of str
        The name under which the marts show the row.
    comparison : Comparison
        One element per row of ``table``. Where it has no p-value, its standard error is left out too: a number that
        was not good enough for a test is not shown beside one.
    status : array_like of str, default "ok"
        Why there is no test, or ``ok``.
    lift : Lift, optional
        Without it, the lift columns are missing.
    mean_control, mean_treatment : array_like, optional
        The metric's value in each arm; by default its raw value from the moments.
    **more : array_like
        Further columns of `python_stats.analysis.typed_frame.EFFECT_COLUMNS`, such as ``variance_reduction``; and what
        families and monitoring need beside them: ``reference_skewness``, for which the statistic was transformed, and
        ``se_control`` and ``cov_effect_control`` for the lift.

    Returns
    -------
    DataFrame
        One row per row of ``table``: `KEYS`, ``metric_type``, ``estimator``, counts, values, effect with standard error
        and interval, test, lift with its interval, and ``status``.
    """
    tested = np.isfinite(comparison.p_value)
    rows = table[KEYS].assign(
        metric_type=table["metric_type"],
        estimator=estimator,
        n_control=table["n_control"],
        n_treatment=table["n_treatment"],
        clusters_control=table["clusters_control"],
        clusters_treatment=table["clusters_treatment"],
        mean_control=raw_value(table, "control") if mean_control is None else mean_control,
        mean_treatment=raw_value(table, "treatment") if mean_treatment is None else mean_treatment,
        effect=comparison.effect,
        effect_se=np.where(tested, comparison.se, np.nan),
        effect_ci_low=comparison.ci_low,
        effect_ci_high=comparison.ci_high,
        statistic=comparison.statistic,
        df=np.where(np.isfinite(comparison.df), comparison.df, np.nan),
        p_value=comparison.p_value,
        status=status,
        **{"reference_skewness": 0.0, "se_control": np.nan, "cov_effect_control": np.nan, **more},
    )
    if lift is not None:
        rows = rows.assign(
            lift=lift.lift,
            lift_ci_low=np.where(tested, lift.ci_low, np.nan),
            lift_ci_high=np.where(tested, lift.ci_high, np.nan),
            lift_method=np.where(np.isfinite(lift.lift), lift.method, None),
        )
    return rows
