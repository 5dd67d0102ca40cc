"""How far a difference of means is from normal: its skewness, from the third moments of the arms."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

# Raw third moments lose their digits where the mean is this many standard deviations from zero.
FAR_MEAN = 1e4


def third_central_moment(
    mean: npt.ArrayLike, variance: npt.ArrayLike, n: npt.ArrayLike, sum_of_cubes: npt.ArrayLike
) -> NDArray[np.float64]:
    """Third central moment of an arm's values, from the sum of their cubes.

    Parameters
    ----------
    mean, variance, n : array_like
        Moments of the arm; the variance with n - 1.
    sum_of_cubes : array_like
        Sum of the values' third powers, zeros included as zeros.

    Returns
    -------
    ndarray
        ``sum((x - mean) ** 3) / n``; NaN where anything is missing or overflows, or where the mean is so far from zero
        (1e4 standard deviations) that nothing is left of the digits.

    Examples
    --------
    >>> x = np.array([0.0, 0.0, 1.0, 5.0])
    >>> round(float(third_central_moment(x.mean(), x.var(ddof=1), 4, (x**3).sum())), 6)
    9.0
    """
    mean_, var, n_, cubes = np.broadcast_arrays(
        *(np.asarray(x, dtype=np.float64) for x in (mean, variance, n, sum_of_cubes))
    )
    with np.errstate(all="ignore"):
        spread = np.where(n_ > 0, var * (n_ - 1) / n_, np.nan)
        third = cubes / n_ - 3 * mean_ * spread - mean_**3
        readable = np.isfinite(third) & (np.abs(mean_) <= FAR_MEAN * np.sqrt(spread))
        return np.where(readable, third, np.nan)


def skewness_of_difference(
    mean_control: npt.ArrayLike,
    var_control: npt.ArrayLike,
    n_control: npt.ArrayLike,
    sum_of_cubes_control: npt.ArrayLike,
    mean_treatment: npt.ArrayLike,
    var_treatment: npt.ArrayLike,
    n_treatment: npt.ArrayLike,
    sum_of_cubes_treatment: npt.ArrayLike,
) -> NDArray[np.float64]:
    """Skewness of the difference of two means, treatment minus control, were both arms drawn from one population.

    ``g * (1 / n_t ** 2 - 1 / n_c ** 2) / (1 / n_t + 1 / n_c) ** 1.5`` with the values' skewness g from both arms
    together. A normal reference rests on its being near zero: it moves probability from one tail of a test to the other
    (Edgeworth). Equal arms cancel each other's; a small arm beside a large one does not.

    The arms are pooled on purpose. A small arm's own skewness is small exactly when its largest values are missing,
    which is when its mean and its variance are too small as well: a rule that looks at it lets the wrong samples pass.

    Parameters
    ----------
    mean_control, var_control, n_control, mean_treatment, var_treatment, n_treatment : array_like
        Moments of the arms; variances with n - 1.
    sum_of_cubes_control, sum_of_cubes_treatment : array_like
        Sums of the values' third powers.

    Returns
    -------
    ndarray
        Without unit; NaN where an arm's third moment is unknown or nothing varies. It is an estimate: a sample that has
        not met its largest values yet understates it.

    References
    ----------
    Hall, P. (1992). The Bootstrap and Edgeworth Expansion. Springer, section 2.4. Kohavi, R., Deng, A., Longbotham, R.
    and Xu, Y. (2014). Seven rules of thumb for web site experimenters. KDD, rule 7.

    Examples
    --------
    >>> round(float(skewness_of_difference(1.0, 4.0, 1000, 20_000.0, 1.0, 4.0, 100, 2_000.0)), 4)
    0.0755
    """
    arms = (
        (mean_control, var_control, n_control, sum_of_cubes_control),
        (mean_treatment, var_treatment, n_treatment, sum_of_cubes_treatment),
    )
    units = [np.asarray(arm[2], dtype=np.float64) for arm in arms]
    with np.errstate(all="ignore"):
        total = units[0] + units[1]
        third = sum(n * third_central_moment(*arm) for n, arm in zip(units, arms, strict=True)) / total
        spread = sum((n - 1) * np.asarray(arm[1], dtype=np.float64) for n, arm in zip(units, arms, strict=True)) / total
        skewness = np.where(spread > 0, third / spread**1.5, np.nan)
        return skewness * (units[1] ** -2.0 - units[0] ** -2.0) / (1 / units[0] + 1 / units[1]) ** 1.5
