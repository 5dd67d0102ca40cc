"""What one method said in many simulated experiments, and how often it was right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from python_stats.lift import Lift
from python_stats.wald import Comparison

FloatArray = NDArray[np.float64]

# The level of every simulated test and, as 1 - ALPHA, of every interval.
ALPHA = 0.05


class Trials(NamedTuple):
    """One method's answers, one element per replication; NaN where it gave none.

    Attributes
    ----------
    rejected : ndarray
        1 where the test rejected, 0 where it did not. For a family of tests: whether any true null was rejected, or
        the share of false ones among the rejections.
    covered : ndarray
        1 where the interval of the effect held the truth; all NaN when the method has none or the truth is not known.
    lift_covered : ndarray
        The same for the interval of the lift.
    """

    rejected: FloatArray
    covered: FloatArray
    lift_covered: FloatArray


def rejections(p_value: npt.ArrayLike) -> FloatArray:
    """Return 1 where a p-value is at most `ALPHA`, 0 where it is larger, NaN where there is none.

    Examples
    --------
    >>> rejections([0.01, 0.05, 0.2, np.nan]).tolist()
    [1.0, 1.0, 0.0, nan]
    """
    p = np.asarray(p_value, dtype=np.float64)
    return np.where(np.isnan(p), np.nan, p <= ALPHA)


def holds(low: npt.ArrayLike, high: npt.ArrayLike, truth: npt.ArrayLike | None) -> FloatArray:
    """Return 1 where an interval holds the truth, 0 where not, NaN where a limit or the truth is missing.

    Examples
    --------
    >>> holds([0.0, 0.0, np.nan], [1.0, np.inf, 1.0], 2.0).tolist()
    [0.0, 1.0, nan]
    """
    lower, upper = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    value = np.asarray(np.nan if truth is None else truth, dtype=np.float64)
    known = ~(np.isnan(lower) | np.isnan(upper) | np.isnan(value))
    with np.errstate(invalid="ignore"):
        return np.where(known, (lower <= value) & (value <= upper), np.nan)


def answers(
    p_value: npt.ArrayLike,
    interval: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    truth: npt.ArrayLike | None = None,
    lift: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    lift_truth: npt.ArrayLike | None = None,
) -> Trials:
    """Score p-values and intervals against the truth that was simulated.

    Parameters
    ----------
    p_value : array_like
        p-values, NaN where the method gave none.
    interval, lift : pair of array_like, optional
        Lower and upper limits of the effect and of the lift.
    truth, lift_truth : array_like, optional
        The effect and the lift that were simulated; without them nothing is said about coverage.
    """
    rejected = rejections(p_value)
    missing = np.full(rejected.shape, np.nan)
    return Trials(
        rejected,
        missing if interval is None else holds(*interval, truth),
        missing if lift is None else holds(*lift, lift_truth),
    )


def compared(
    comparison: Comparison,
    truth: npt.ArrayLike | None = None,
    lift: Lift | None = None,
    lift_truth: npt.ArrayLike | None = None,
) -> Trials:
    """Score a comparison, and its lift where there is one."""
    limits = None if lift is None else (lift.ci_low, lift.ci_high)
    return answers(comparison.p_value, (comparison.ci_low, comparison.ci_high), truth, limits, lift_truth)


@dataclass
class Tally:
    """Running totals of the answers of one method.

    Attributes
    ----------
    replications, answered : int, float
        Simulated experiments, and those to which the method gave any answer.
    tested, rejected : float
        Those with a p-value, and those (or the sum of the shares) that were rejected.
    intervals, covered, lift_intervals, lift_covered : float
        Those with an interval (and a truth), and those whose interval held it.
    """

    replications: int = 0
    answered: float = 0.0
    tested: float = 0.0
    rejected: float = 0.0
    intervals: float = 0.0
    covered: float = 0.0
    lift_intervals: float = 0.0
    lift_covered: float = 0.0

    def add(self, trials: Trials) -> None:
        """Count one block of replications."""
        self.replications += trials.rejected.size
        self.answered += float((~np.isnan(np.stack(trials)).all(axis=0)).sum())
        for values, count, total in (
            (trials.rejected, "tested", "rejected"),
            (trials.covered, "intervals", "covered"),
            (trials.lift_covered, "lift_intervals", "lift_covered"),
        ):
            known = ~np.isnan(values)
            setattr(self, count, getattr(self, count) + float(known.sum()))
            setattr(self, total, getattr(self, total) + float(values[known].sum()))

    @property
    def refused(self) -> float:
        """Share of the replications to which the method gave no answer."""
        return 1.0 - self.answered / self.replications if self.replications else np.nan
