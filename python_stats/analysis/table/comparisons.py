"""Planned comparisons as columns: read from a frame once, and picked from without copying what nobody asks for."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.intp]

T = TypeVar("T")

# The grain of the results, and of the looks at them.
COMPARISON_KEYS = ("exp_id", "metric_id", "variant_id", "population", "dimension", "segment")
LOOK_KEYS = (*COMPARISON_KEYS, "look_date")

ARMS = ("control", "treatment")

# The column that names the variant of each arm.
VARIANT_OF = {"control": "control_variant_id", "treatment": "variant_id"}


class Words(NamedTuple):
    """A column of words.

    Attributes
    ----------
    code : ndarray of int
        Place of each row's word among ``values``; -1 where there is none.
    values : Index
        The different words of the whole frame.
    """

    code: IntArray
    values: pd.Index


class Comparisons:
    """Rows of the model ``look_comparison``, as columns.

    Columns are converted when they are first asked for and kept; `take` picks rows without touching the others.

    Parameters
    ----------
    frame : DataFrame
        One row per planned metric, treatment and look: keys, plan, and the moments of both arms.
    **other : Series
        Columns to be read in place of the frame's.

    Attributes
    ----------
    rows : ndarray of int, shape (rows,)
        Place of each row in the frame.
    """

    def __init__(self, frame: pd.DataFrame, **other: pd.Series) -> None:
        self._frame = frame
        self._other = other
        self._whole: Comparisons = self
        self._columns: dict[str, FloatArray] = {}
        self._words: dict[str, Words] = {}
        self._made: dict[Hashable, Any] = {}
        self.rows: IntArray = np.arange(len(frame))

    @classmethod
    def of(cls, comparisons: pd.DataFrame | Comparisons) -> Comparisons:
        """Return the comparisons of a frame; comparisons are returned as they are."""
        return comparisons if isinstance(comparisons, Comparisons) else cls(comparisons)

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.rows.size

    @property
    def whole(self) -> Comparisons:
        """All comparisons of the frame."""
        return self._whole

    def take(self, picked: NDArray[np.bool_] | IntArray) -> Comparisons:
        """Return some of the rows, by a mask or by their places among these."""
        part = object.__new__(Comparisons)
        part._frame, part._other, part._whole = self._frame, self._other, self._whole
        part._columns, part._words, part._made = {}, {}, {}
        part.rows = self.rows[picked]
        return part

    def _column(self, column: str) -> pd.Series:
        return self._other[column] if column in self._other else self._frame[column]

    def number(self, column: str) -> FloatArray:
        """Return a column of numbers, NaN where one is missing."""
        if column not in self._columns:
            if self is self._whole:
                values = self._column(column)
                plain = values.dtype == np.float64
                self._columns[column] = values.to_numpy() if plain else values.to_numpy(np.float64, na_value=np.nan)
            else:
                self._columns[column] = self._whole.number(column)[self.rows]
        return self._columns[column]

    def of_arm(self, arm: str, *columns: str) -> tuple[FloatArray, ...]:
        """Return columns of one arm, by their names without it."""
        return tuple(self.number(f"{column}_{arm}") for column in columns)

    def flag(self, column: str) -> BoolArray:
        """Return a column of flags; a missing one does not hold."""
        return self.number(column) == 1.0

    def words(self, column: str) -> Words:
        """Return a column of words, or of days."""
        if column not in self._words:
            if self is self._whole:
                self._words[column] = Words(*pd.factorize(self._column(column)))
            else:
                code, values = self._whole.words(column)
                self._words[column] = Words(code[self.rows], values)
        return self._words[column]

    def is_word(self, column: str, *among: str) -> BoolArray:
        """Whether each row's word is one of these."""
        code, values = self.words(column)
        # The last place is that of a missing word.
        return np.append(values.isin(among), False)[code]

    def has(self, column: str) -> BoolArray:
        """Whether each row has a value at all."""
        return self.words(column).code >= 0

    def values(self, column: str) -> npt.NDArray[np.generic] | pd.api.extensions.ExtensionArray:
        """Return a column as the frame holds it."""
        return self._column(column).array[self.rows]

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what is made of these comparisons once, when it is first asked for; nobody may change it."""
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    @property
    def plan(self) -> dict[str, npt.ArrayLike]:
        """The plan's ``alpha`` and ``alternative`` of every row, as the estimators' keyword arguments."""
        code, values = self.words("alternative")
        sides = self.once("alternative", lambda: values.to_numpy(dtype=str)[code])
        return {"alpha": self.number("alpha"), "alternative": sides}

    def group(self, columns: Sequence[str]) -> IntArray:
        """Return a number per row, from 0, that says what some columns say together; a missing word is a word."""
        own = np.zeros(len(self), dtype=np.int64)
        for column in columns:
            code, values = self.words(column)
            own = _combined(own, code, len(values))
        return pd.factorize(own)[0]

    def find(self, other: pd.DataFrame, columns: Sequence[str] = LOOK_KEYS) -> IntArray:
        """Return the place of every row in another frame, by its keys; -1 where it has none.

        Parameters
        ----------
        other : DataFrame
            Rows with these columns, at most one for each combination.
        columns : sequence of str
            Names of the keys.
        """
        both = np.zeros(len(self) + len(other), dtype=np.int64)
        unknown = np.zeros(len(other), dtype=bool)
        for column in columns:
            code, values = self.words(column)
            found = values.get_indexer(other[column])
            unknown |= found < 0
            both = _combined(both, np.concatenate([code, found]), len(values))
        own, theirs = both[: len(self)], both[len(self) :]
        known = np.flatnonzero(~unknown)
        return np.append(known, -1)[pd.Index(theirs[known]).get_indexer(own)]


def _combined(group: NDArray[np.int64], code: IntArray, values: int) -> NDArray[np.int64]:
    """Return numbers that tell apart what a number and a word say together, dense again where they would overflow."""
    if group.max(initial=0) >= np.iinfo(np.int64).max // (values + 1) - 1:
        group = pd.factorize(group)[0].astype(np.int64)
    return group * (values + 1) + code + 1
