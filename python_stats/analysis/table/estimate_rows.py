"""The shape in which every estimator hands over its estimates: one row per comparison."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
from numpy.typing import NDArray

from python_stats.analysis.table.comparisons import LOOK_KEYS, BoolArray, Comparisons, FloatArray, IntArray
from python_stats.analysis.table.metric_types import is_ratio
from python_stats.analysis.table.typed_frame import frame_from, missing
from python_stats.lift import Lift
from python_stats.wald import Comparison

# What a row says of its comparison whatever the estimator; clusters are missing where none were assigned.
COUNTS = ("n_control", "n_treatment", "clusters_control", "clusters_treatment")


@dataclass(frozen=True)
class EstimateRows:
    """The rows of one estimator.

    Attributes
    ----------
    table : Comparisons
        The comparisons that were estimated, one per row.
    estimator : str
        The name under which the marts show the rows.
    columns : mapping of str to ndarray
        What was estimated, by the names of `python_stats.analysis.table.typed_frame.EFFECT_COLUMNS`, and what families
        and monitoring need beside it: ``reference_skewness``, ``control_variance``, ``se_control`` and
        ``cov_effect_control``. A column that is not there is missing.
    """

    table: Comparisons
    estimator: str
    columns: Mapping[str, NDArray[np.generic]]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.table)

    def __getitem__(self, name: str) -> NDArray[np.generic]:
        """Return a column."""
        found = self.columns.get(name)
        if found is not None:
            return found
        if name in COUNTS:
            return self.table.number(name)
        # A test that says nothing of a transformation has none.
        return np.full(len(self), 0.0) if name == "reference_skewness" else missing(name, len(self))

    def take(self, picked: BoolArray | IntArray) -> EstimateRows:
        """Return some of the rows."""
        columns = {name: values[picked] for name, values in self.columns.items()}
        return EstimateRows(self.table.take(picked), self.estimator, columns)

    def having(self, **columns: NDArray[np.generic]) -> EstimateRows:
        """Return the rows with other, or further, columns."""
        return replace(self, columns={**self.columns, **columns})

    @property
    def is_ok(self) -> BoolArray:
        """Where there is a test."""
        return self["status"] == "ok"


def raw_value(table: Comparisons, arm: str) -> FloatArray:
    """Return the raw metric value of an arm: a mean per unit, or a ratio of sums (NaN where its denominator is 0)."""
    mean, denominator = table.of_arm(arm, "mean_numerator", "mean_denominator")
    with np.errstate(all="ignore"):
        ratio = np.where(denominator == 0, np.nan, mean / denominator)
    return np.where(is_ratio(table), ratio, mean)


def estimate_rows(
    table: Comparisons,
    estimator: str,
    comparison: Comparison,
    *,
    status: npt.ArrayLike = "ok",
    lift: Lift | None = None,
    mean_control: npt.ArrayLike | None = None,
    mean_treatment: npt.ArrayLike | None = None,
    **more: npt.ArrayLike,
) -> EstimateRows:
    """Lay out one estimator's results of some comparisons.

    Parameters
    ----------
    table : Comparisons
        The comparisons estimated.
    estimator : str
        The name under which the marts show the rows.
    comparison : Comparison
        One element per comparison. Where it has no p-value, its standard error is left out too: a number that was not
        good enough for a test is not shown beside one.
    status : array_like of str, default "ok"
        Why there is no test, or ``ok``.
    lift : Lift, optional
        Without it, the lift columns are missing.
    mean_control, mean_treatment : array_like, optional
        The metric's value in each arm; by default its raw value from the moments.
    **more : array_like
        Further columns, see `EstimateRows`.

    Returns
    -------
    EstimateRows
        Values, effect with standard error and interval, test, lift with its interval, and ``status``.
    """
    tested = np.isfinite(comparison.p_value)
    columns: dict[str, npt.ArrayLike] = {
        "mean_control": raw_value(table, "control") if mean_control is None else mean_control,
        "mean_treatment": raw_value(table, "treatment") if mean_treatment is None else mean_treatment,
        "effect": comparison.effect,
        "effect_se": np.where(tested, comparison.se, np.nan),
        "effect_ci_low": comparison.ci_low,
        "effect_ci_high": comparison.ci_high,
        "statistic": comparison.statistic,
        "df": np.where(np.isfinite(comparison.df), comparison.df, np.nan),
        "p_value": comparison.p_value,
        "status": np.asarray(status, dtype=object),
        **more,
    }
    if lift is not None:
        columns |= {
            "lift": lift.lift,
            "lift_ci_low": np.where(tested, lift.ci_low, np.nan),
            "lift_ci_high": np.where(tested, lift.ci_high, np.nan),
            "lift_method": np.where(np.isfinite(lift.lift), np.asarray(lift.method, dtype=object), None),
        }
    size = (len(table),)
    return EstimateRows(
        table, estimator, {name: np.broadcast_to(np.asarray(values), size) for name, values in columns.items()}
    )


def without_numbers(
    table: Comparisons, estimator: str, status: npt.ArrayLike, *, is_unadjusted: bool = False
) -> EstimateRows:
    """Lay out comparisons of which nothing but the values of the arms is known, and why."""
    missing = np.full(len(table), np.nan)
    nothing = Comparison(*(missing for _ in Comparison._fields))
    return estimate_rows(table, estimator, nothing, status=status, is_unadjusted=is_unadjusted)


def column_of(parts: Sequence[EstimateRows], name: str) -> NDArray[np.generic]:
    """Return a column of the rows of several estimators, one after the other."""
    if all(name in part.columns or name in COUNTS for part in parts):
        return np.concatenate([part[name] for part in parts])
    result = missing(name, sum(len(part) for part in parts))
    start = 0
    for part in parts:
        if name in part.columns:
            result[start : start + len(part)] = part.columns[name]
        start += len(part)
    return result


def frame_of(
    parts: Iterable[EstimateRows],
    columns: Sequence[str] | None = None,
    of_headlines: Mapping[str, NDArray[np.generic]] | None = None,
) -> pd.DataFrame:
    """Return the rows of several estimators as one frame.

    Parameters
    ----------
    parts : iterable of EstimateRows
        Rows of the same comparisons.
    columns : sequence of str, optional
        Which columns to return beside the keys; by default all that some estimator has.
    of_headlines : mapping of str to ndarray, optional
        Columns of the headlines, one element per comparison of the whole frame; missing in other rows.

    Returns
    -------
    DataFrame
        One row per comparison and estimator: the keys of the comparison, ``metric_type``, ``estimator``, counts, and
        the estimators' columns.
    """
    parts = [part for part in parts if len(part)]
    if columns is None:
        columns = list(dict.fromkeys([*COUNTS, *(name for part in parts for name in part.columns)]))
    if not parts:
        return pd.DataFrame(columns=[*LOOK_KEYS, "metric_type", "estimator", *columns])
    whole = parts[0].table.whole
    row = np.concatenate([part.table.rows for part in parts])
    named: dict[str, object] = {}
    for name in (*LOOK_KEYS, "metric_type"):
        named[name] = whole.values(name)[row]
    names = np.array([part.estimator for part in parts], dtype=object)
    named["estimator"] = np.repeat(names, [len(part) for part in parts])
    of_headlines = of_headlines or {}
    named |= {name: column_of(parts, name) for name in columns if name not in of_headlines}
    marked = np.flatnonzero(named["is_headline"]) if of_headlines else np.empty(0, dtype=np.intp)
    for name, values in of_headlines.items():
        named[name] = missing(name, row.size)
        named[name][marked] = values[row[marked]]
    return frame_from(named)
