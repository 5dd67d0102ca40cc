"""One estimator on some comparisons, before it becomes rows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from python_stats.analysis.table.comparisons import BoolArray, FloatArray, IntArray
from python_stats.wald import Comparison


class Estimate(NamedTuple):
    """One estimator, one element per comparison.

    Attributes
    ----------
    name : str
        The name under which the marts show it.
    comparison : Comparison
        Effect, test and interval.
    mean_control, se_control, cov_effect_control : ndarray
        What a lift needs, as in `python_stats.lift`.
    control_variance : ndarray
        The control's part of the effect's variance.
    skewness : ndarray
        Skewness of the effect; NaN where it is not known.
    is_clearly_skewed : ndarray of bool
        Whether the units are more skewed than so few normal ones look by chance.
    reference_skewness : ndarray
        Skewness that the test's statistic was transformed for; 0 where it was not.
    """

    name: str
    comparison: Comparison
    mean_control: FloatArray
    se_control: FloatArray
    cov_effect_control: FloatArray
    control_variance: FloatArray
    skewness: FloatArray
    is_clearly_skewed: BoolArray
    reference_skewness: FloatArray

    def take(self, picked: BoolArray | IntArray) -> Estimate:
        """Return the estimate of some of the comparisons."""
        comparison = Comparison(*(part[picked] for part in self.comparison))
        return Estimate(self.name, comparison, *(part[picked] for part in self[2:]))

    def without(self, refused: BoolArray) -> Estimate:
        """Return the estimate without test and interval where it is refused; the effect stays."""
        parts = {name: np.where(refused, np.nan, getattr(self.comparison, name)) for name in Comparison._fields[1:]}
        return self._replace(comparison=self.comparison._replace(**parts))
