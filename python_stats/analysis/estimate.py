"""One estimator on all comparisons, before it becomes rows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from python_stats.wald import Comparison

FloatArray = NDArray[np.float64]


class Estimate(NamedTuple):
    """One estimator on all comparisons, one element per comparison.

    Attributes
    ----------
    name : ndarray of str
        The name under which the marts show it.
    comparison : Comparison
        Effect, test and interval.
    mean_control, se_control, cov_effect_control : ndarray
        What a lift needs, as in `python_stats.lift`.
    control_variance : ndarray
        The control's part of the effect's variance.
    skewness : ndarray
        Skewness of the effect; NaN where it is not known.
    reference_skewness : ndarray
        Skewness that the test's statistic was transformed for; 0 where it was not.
    reference_skewness : ndarray
        Skewness that the test's statistic was transformed for; 0 where it was not.
    is_clearly_skewed : ndarray of bool
        Whether the units are more skewed than so few normal ones look by chance.
    available : ndarray of bool
        Whether the estimator exists for the comparison.
    """

    name: NDArray[np.str_]
    comparison: Comparison
    mean_control: FloatArray
    se_control: FloatArray
    cov_effect_control: FloatArray
    control_variance: FloatArray
    skewness: FloatArray
    reference_skewness: FloatArray
    is_clearly_skewed: NDArray[np.bool_]
    available: NDArray[np.bool_]

    @classmethod
    def blank(cls, name: NDArray[np.str_], *, available: bool) -> Estimate:
        """Return an estimate without numbers, to be filled; ``available`` is for all that will not be."""
        rows = name.size
        numbers = (np.full(rows, np.nan) for _ in range(5))
        comparison = Comparison(*(np.full(rows, np.nan) for _ in Comparison._fields))
        nowhere = np.zeros(rows, dtype=bool)
        return cls(name, comparison, *numbers, np.zeros(rows), nowhere, np.full(rows, available))

    def fill(self, picked: NDArray[np.intp], **values: Comparison | FloatArray | NDArray[np.bool_]) -> None:
        """Write what was estimated for some of the comparisons."""
        for field, value in values.items():
            target = getattr(self, field)
            if isinstance(value, Comparison):
                for own, part in zip(target, value, strict=True):
                    own[picked] = part
            else:
                target[picked] = value

    def without(self, refused: NDArray[np.bool_]) -> Estimate:
        """Return the estimate without test and interval where it is refused; the effect stays."""
        parts = {name: np.where(refused, np.nan, getattr(self.comparison, name)) for name in Comparison._fields[1:]}
        return self._replace(comparison=self.comparison._replace(**parts))
