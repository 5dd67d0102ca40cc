"""Roots of monotone functions, for whole arrays of cells at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

# 64 halvings exhaust the digits of a root that is not near zero; the rest serve roots close to it.
MAX_HALVINGS = 128


def increasing_root(
    function: Callable[[NDArray[np.float64]], NDArray[np.float64]], low: npt.ArrayLike, high: npt.ArrayLike
) -> NDArray[np.float64]:
    """Point where an increasing function crosses zero, by bisection in every cell at once.

    Bisection is slower than Newton's method and cannot fail, and one call of ``function`` serves all cells.

    Parameters
    ----------
    function : callable
        Takes an array of points (the broadcast shape of the limits) and returns the function's values there. It is not
        called at the limits themselves, where it may be undefined.
    low, high : array_like
        Finite limits between which the root is sought; they broadcast.

    Returns
    -------
    ndarray
        The roots to the last digits. Where the function is negative throughout, ``high``; where it is positive
        throughout, ``low``; NaN where the function or a limit is NaN.

    Examples
    --------
    >>> increasing_root(lambda x: x**3 - [8.0, 27.0], 0.0, [10.0, 10.0]).round(9).tolist()
    [2.0, 3.0]
    """
    start, end = np.broadcast_arrays(np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64))
    left, right = start.copy(), end.copy()
    for _ in range(MAX_HALVINGS):
        middle = left + 0.5 * (right - left)
        if not np.any((middle > left) & (middle < right)):
            break
        value = function(middle)
        with np.errstate(invalid="ignore"):
            left = np.where(value < 0.0, middle, left)
            right = np.where(value >= 0.0, middle, np.where(np.isnan(value), np.nan, right))
    return left + 0.5 * (right - left)
