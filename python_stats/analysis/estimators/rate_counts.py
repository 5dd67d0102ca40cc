"""The counts behind rates of independent units, and their score intervals."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from python_stats.analysis.table.comparisons import ARMS, BoolArray, Comparisons, FloatArray, IntArray
from python_stats.lift import Lift
from python_stats.rates.proportion_score import miettinen_nurminen_interval, score_ratio_interval


class RateCounts(NamedTuple):
    """Units with the outcome and units of both arms, one element per comparison."""

    successes_control: FloatArray
    n_control: FloatArray
    successes_treatment: FloatArray
    n_treatment: FloatArray

    @property
    def fewest_expected(self) -> FloatArray:
        """Units that the smaller arm expects with, or without, the outcome: whichever are fewer, at the pooled rate."""
        with np.errstate(all="ignore"):
            pooled = (self.successes_control + self.successes_treatment) / (self.n_control + self.n_treatment)
            return np.minimum(self.n_control, self.n_treatment) * np.minimum(pooled, 1 - pooled)

    def at(self, picked: BoolArray | IntArray) -> RateCounts:
        """Return the counts of these comparisons."""
        return RateCounts(*(column[picked] for column in self))


def rate_counts(table: Comparisons) -> RateCounts:
    """Read the counts of comparisons of rates.

    Parameters
    ----------
    table : Comparisons
        The comparisons; what is no rate has numbers without meaning.
    """
    columns: list[FloatArray] = []
    for arm in ARMS:
        n, mean = table.of_arm(arm, "n", "mean_numerator")
        # Counts of successes are whole numbers that travelled as a mean.
        columns += [np.rint(mean * n), n]
    return RateCounts(*columns)


def score_intervals(
    counts: RateCounts, effect: FloatArray, plan: dict[str, npt.ArrayLike]
) -> tuple[FloatArray, FloatArray, Lift]:
    """Return Miettinen and Nurminen's intervals of the difference and of the lift of two rates.

    Parameters
    ----------
    counts : RateCounts
        The counts.
    effect : ndarray
        Difference of the rates.
    plan : dict
        ``alpha`` and ``alternative``.

    Returns
    -------
    ci_low, ci_high : ndarray
        Limits of the difference.
    lift : Lift
        The lift, NaN where the control has no success; without a standard error.

    References
    ----------
    See `proportion_score.miettinen_nurminen_interval` and `proportion_score.score_ratio_interval`.
    """
    interval = miettinen_nurminen_interval(*counts, **plan)
    ratio = score_ratio_interval(*counts, small_sample_factor=True, **plan)
    with np.errstate(all="ignore"):
        rate = counts.successes_control / counts.n_control
        lift = np.where(rate > 0, effect / rate, np.nan)
    known = np.isfinite(lift)
    limits = (np.where(known, limit - 1, np.nan) for limit in ratio)
    missing = np.full(effect.size, np.nan)
    return interval.ci_low, interval.ci_high, Lift(lift, missing, *limits, np.full(effect.size, "score"))
