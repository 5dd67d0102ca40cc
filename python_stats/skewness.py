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
    """Skewness of the difference of two means, treatment minus control.

    ``(m3_t / n_t ** 2 - m3_c / n_c ** 2) / se ** 3`` with the arms' third central moments. A normal reference rests on
    its being near zero: it shifts both tail probabilities of a nominal 5 % test, one up and one down, in proportion
    (Edgeworth). Equal arms cancel each other's; a small arm beside a large one does not.

    Parameters
    ----------
    mean_control, var_control, n_control, mean_treatment, var_treatment, n_treatment : array_like
        Moments of the arms; variances with n - 1.
    sum_of_cubes_control, sum_of_cubes_treatment : array_like
        Sums of the values' third powers.

    Returns
    -------
    ndarray
        Without unit; NaN where an arm's third moment is unknown or there is no variance. It is an estimate: a sample
        that has not met its largest values yet understates it.

    References
    ----------
    Hall, P. (1992). The Bootstrap and Edgeworth Expansion. Springer, section 2.4. Kohavi, R., Deng, A., Longbotham, R.
    and Xu, Y. (2014). Seven rules of thumb for web site experimenters. KDD, rule 7.

    Examples
    --------
    >>> round(float(skewness_of_difference(1.0, 4.0, 1000, 20_000.0, 1.0, 4.0, 100, 2_000.0)), 4)
    0.0994
    """
    arms = (
        (mean_control, var_control, n_control, sum_of_cubes_control),
        (mean_treatment, var_treatment, n_treatment, sum_of_cubes_treatment),
    )
    with np.errstate(all="ignore"):
        third = [third_central_moment(*arm) / np.asarray(arm[2], dtype=np.float64) ** 2 for arm in arms]
        spread = [np.asarray(arm[1], dtype=np.float64) / np.asarray(arm[2], dtype=np.float64) for arm in arms]
        variance = spread[0] + spread[1]
        return np.where(variance > 0, (third[1] - third[0]) / variance**1.5, np.nan)
