"""Which of a comparison's estimates is the one that decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from python_stats.analysis.estimators.register import PREFERRED, wanted
from python_stats.analysis.table.comparisons import LOOK_KEYS, BoolArray, Comparisons, IntArray
from python_stats.analysis.table.estimate_rows import COUNTS, EstimateRows, without_numbers
from python_stats.analysis.table.typed_frame import frame_from, missing

# Why the tests by moments refuse a comparison that another estimator may be able to make.
REFUSALS = ("too_skewed", "too_few_events")


def mark_headline(parts: Sequence[EstimateRows], comparisons: Comparisons) -> list[EstimateRows]:
    """Mark exactly one row of each comparison as its headline.

    The plan's ``estimator`` decides. Where it asks for a method that does not exist for the comparison, the headline
    is a row of that method without numbers, status ``estimator_unavailable``: a planned test is never silently
    replaced.

    Parameters
    ----------
    parts : sequence of EstimateRows
        Rows of one estimator each.
    comparisons : Comparisons
        The comparisons, with the plan's ``estimator`` (missing where the plan does not say).

    Returns
    -------
    list of EstimateRows
        The estimates with the column ``is_headline``, and one more row per unavailable planned estimator.
    """
    whole = comparisons.whole
    wish, words = whole.words("estimator")
    # The last place is that of a plan that does not say.
    preferred = [wanted(word) for word in words] + [PREFERRED]
    orders = []
    best = np.full(len(whole), np.inf)
    for part in parts:
        places = [choices.index(part.estimator) if part.estimator in choices else np.inf for choices in preferred]
        order = np.array(places, dtype=np.float64)[wish[part.table.rows]]
        # Among what is wanted, a number before a reason why there is none.
        order[~part.is_ok] += len(PREFERRED)
        # A comparison that cannot be made at all keeps its reason, whatever was wished for.
        impossible = part["is_unadjusted"] & ~np.isin(part["status"].astype(str), ["ok", *REFUSALS])
        order[impossible & np.isinf(order)] = 2 * len(PREFERRED)
        np.minimum.at(best, part.table.rows, order)
        orders.append(order)
    marked = [
        part.having(is_headline=np.isfinite(order) & (order == best[part.table.rows]))
        for part, order in zip(parts, orders, strict=True)
    ]
    return marked + _unavailable(parts, comparisons, np.isinf(best))


def _unavailable(
    parts: Sequence[EstimateRows], comparisons: Comparisons, lacks_headline: BoolArray
) -> list[EstimateRows]:
    """Rows of the planned estimators that do not exist for their comparisons, with the values of the raw one."""
    added = []
    for part in parts:
        rows = part.take(part["is_unadjusted"] & lacks_headline[part.table.rows])
        wish, words = rows.table.words("estimator")
        for code in np.unique(wish):
            own = rows.take(wish == code)
            values = {name: own[name] for name in ("mean_control", "mean_treatment")}
            blank = without_numbers(own.table, str(words[code]), "estimator_unavailable")
            added.append(blank.having(**values, is_headline=np.ones(len(own), dtype=bool)))
    return added


class Headlines:
    """The headline of every comparison, in the order of the comparisons.

    Parameters
    ----------
    table : Comparisons
        All comparisons.
    columns : mapping of str to ndarray, shape (comparisons,)
        The headlines' columns; see `EstimateRows`. What is not there is missing.
    """

    def __init__(self, table: Comparisons, columns: Mapping[str, NDArray[np.generic]]) -> None:
        self.table = table
        self._columns = columns

    @classmethod
    def of(cls, parts: Sequence[EstimateRows], comparisons: Comparisons, columns: Sequence[str]) -> Headlines:
        """Gather some columns of the marked rows of estimates, and the name of the ``estimator``."""
        table = comparisons.whole
        found = {name: missing(name, len(table)) for name in ("estimator", *columns)}
        for part in parts:
            marked = np.flatnonzero(part["is_headline"])
            rows = part.table.rows[marked]
            found["estimator"][rows] = part.estimator
            for name in columns:
                found[name][rows] = part[name][marked]
        return cls(table, found)

    def __len__(self) -> int:
        """Return the number of comparisons."""
        return len(self.table)

    def __getitem__(self, name: str) -> NDArray[np.generic]:
        """Return a column; counts are those of the comparisons."""
        if name in self._columns:
            return self._columns[name]
        return self.table.number(name) if name in COUNTS else missing(name, len(self))

    def is_by(self, *estimators: str) -> BoolArray:
        """Whether each headline is an estimate by one of these."""
        code, names = self._estimators
        return np.append(np.isin(names.astype(str), estimators), False)[code]

    @cached_property
    def _estimators(self) -> tuple[IntArray, NDArray[np.object_]]:
        return pd.factorize(self["estimator"])

    def having(self, **columns: NDArray[np.generic]) -> Headlines:
        """Return the headlines with further columns."""
        return Headlines(self.table, {**self._columns, **columns})

    def frame(self, columns: Sequence[str]) -> pd.DataFrame:
        """Return the keys of the comparisons, the metric's type and some columns."""
        keys = {name: self.table.values(name) for name in (*LOOK_KEYS, "metric_type")}
        return frame_from(keys | {name: self[name] for name in columns if name not in keys})
