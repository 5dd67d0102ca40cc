"""From t statistics to the normal ones that are as surprising, and back: what sequential boundaries are compared with.

Boundaries of sequential designs are those of normal statistics. With an estimated variance they are used as nominal
significance levels: a t statistic crosses when its tail probability is below that of the boundary.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtr

from python_stats.t_quantile import t_quantile

# Tails below this leave the range in which their inverse is exact; Wallace's approximation takes over.
_LEAST_TAIL = 1e-290


def z_of_t(statistic: npt.ArrayLike, df: npt.ArrayLike) -> NDArray[np.float64]:
    """Give the normal statistic with the tail probability, and the sign, of a t statistic.

    Parameters
    ----------
    statistic : array_like
        t statistics.
    df : array_like
        Their degrees of freedom; infinite or NaN means that the statistic is normal already.

    Returns
    -------
    ndarray
        Of the common shape; NaN where the statistic is. Where the tail is below 1e-290, correct to about 0.1 %.

    References
    ----------
    Jennison, C. and Turnbull, B. W. (2000). Group sequential methods with applications to clinical trials, section 3.8
    and chapter 11 (boundaries as significance levels). Wallace, D. L. (1959). Bounds on normal approximations to
    Student's and the chi-square distributions. Annals of Mathematical Statistics 30, 1121-1130.

    Examples
    --------
    >>> z_of_t([2.570582, -2.570582, 3.0], [5.0, 5.0, np.inf]).round(6).tolist()
    [1.959964, -1.959964, 3.0]
    """
    t, degrees = np.broadcast_arrays(np.asarray(statistic, dtype=np.float64), np.asarray(df, dtype=np.float64))
    size = np.abs(t)
    with np.errstate(all="ignore"):
        tail = stdtr(degrees, -size)
        # log1p keeps the digits of statistics that are small beside their degrees of freedom.
        far = (8.0 * degrees + 1.0) / (8.0 * degrees + 3.0) * np.sqrt(degrees * np.log1p(size * size / degrees))
        z = np.where(tail > _LEAST_TAIL, -ndtri(tail), far)
        return np.where(np.isfinite(degrees), np.copysign(z, t), t)


def t_of_z(z: npt.ArrayLike, df: npt.ArrayLike) -> NDArray[np.float64]:
    """Give the quantile of t with the tail probability of a normal one: how wide an interval is, in standard errors.

    Parameters
    ----------
    z : array_like
        Normal quantiles, not negative.
    df : array_like
        Degrees of freedom; infinite or NaN means the normal distribution.

    Returns
    -------
    ndarray
        Of the common shape; NaN where z is, infinite where no double is large enough.

    References
    ----------
    As in `z_of_t`.

    Examples
    --------
    >>> t_of_z([1.959964, 1.959964], [5.0, np.inf]).round(6).tolist()
    [2.570582, 1.959964]
    """
    quantile, degrees = np.broadcast_arrays(np.asarray(z, dtype=np.float64), np.asarray(df, dtype=np.float64))
    with np.errstate(all="ignore"):
        tail = ndtr(-quantile)
        near = t_quantile(np.where(np.isfinite(degrees), degrees, 1.0), np.where(tail > _LEAST_TAIL, tail, 0.5))
        scaled = quantile * (8.0 * degrees + 3.0) / (8.0 * degrees + 1.0)
        far = np.sqrt(degrees * np.expm1(scaled * scaled / degrees))
        # The inversion of the t distribution gives up earlier for few degrees of freedom.
        value = np.where((tail > _LEAST_TAIL) & np.isfinite(near), near, far)
        return np.where(np.isfinite(degrees), np.where(np.isnan(quantile), np.nan, value), quantile)
