"""Whether several arms differ at all: one test for all of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray
from scipy.special import fdtrc

from python_stats.arguments import check_axis


class Omnibus(NamedTuple):
    """A test that all arms of a cell are equal, one element per cell.

    Attributes
    ----------
    statistic : ndarray
        F statistic.
    df_numerator, df_denominator : ndarray
        Its degrees of freedom.
    p_value : ndarray
        Upper tail of the F distribution.
    """

    statistic: NDArray[np.float64]
    df_numerator: NDArray[np.float64]
    df_denominator: NDArray[np.float64]
    p_value: NDArray[np.float64]


def welch_anova(value: npt.ArrayLike, variance: npt.ArrayLike, df: npt.ArrayLike = np.inf) -> Omnibus:
    """Test that the arms of a cell have the same value, when each arm has a variance of its own.

    Welch's heteroscedastic analysis of variance, which for two arms is Welch's t test squared. It needs of each arm
    only its value and the variance of that value, so it serves ratios, adjusted values and clustered arms as well.

    Parameters
    ----------
    value : array_like, shape (..., arms)
        The arms' means, or means up to a constant of the cell; pad with NaN where a cell has fewer arms.
    variance : array_like, shape (..., arms)
        Variance of each arm's value (of the mean, not of a unit).
    df : array_like, shape (..., arms), default inf
        Degrees of freedom of each variance: units minus one, or clusters minus one.

    Returns
    -------
    Omnibus
        Arrays of shape (...). An arm without a positive variance is left out; NaN where fewer than two arms are left.

    References
    ----------
    Welch, B. L. (1951). On the comparison of several mean values: an alternative approach. Biometrika 38, 330-336.

    Examples
    --------
    >>> test = welch_anova([10.0, 10.4, 11.1], [0.04, 0.05, 0.09], [49, 39, 19])
    >>> round(float(test.statistic), 6), round(float(test.df_denominator), 4), round(float(test.p_value), 6)
    (4.619612, 52.5504, 0.014185)
    """
    mean, var, df_ = np.broadcast_arrays(*(np.asarray(x, dtype=np.float64) for x in (value, variance, df)))
    check_axis("arms", value=mean)
    with np.errstate(all="ignore"):
        present = np.isfinite(mean) & np.isfinite(var) & (var > 0) & (df_ > 0)
        weight = np.where(present, 1 / np.where(present, var, 1.0), 0.0)
        arms = present.sum(axis=-1).astype(np.float64)
        total = weight.sum(axis=-1, keepdims=True)
        # Around one of the arms, so that values large beside their differences keep their digits.
        first = np.take_along_axis(mean, present.argmax(axis=-1)[..., None], axis=-1)
        shifted = np.where(present, mean - first, 0.0)
        centre = (weight * shifted).sum(axis=-1, keepdims=True) / total
        between = (weight * (shifted - centre) ** 2).sum(axis=-1) / (arms - 1)
        lost = np.where(present, (1 - weight / total) ** 2 / np.where(present, df_, 1.0), 0.0).sum(axis=-1)
        statistic = between / (1 + 2 * (arms - 2) / (arms**2 - 1) * lost)
        df_denominator = (arms**2 - 1) / (3 * lost)
        testable = arms > 1
        statistic, df_numerator, df_denominator = (
            np.where(testable, x, np.nan) for x in (statistic, arms - 1, df_denominator)
        )
        # The F distribution with infinite denominator degrees of freedom, where every variance is known.
        p_value = fdtrc(df_numerator, np.minimum(df_denominator, 1e12), statistic)
    return Omnibus(statistic, df_numerator, df_denominator, p_value)
