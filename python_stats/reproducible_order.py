"""An order of rows that looks random and is the same on every machine, for draws that many comparisons share."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray


def reproducible_order(seed: npt.ArrayLike, place: npt.ArrayLike) -> NDArray[np.uint64]:
    """Return a pseudo-random sort key of each place under a seed, the finaliser of SplitMix64.

    Comparisons of one design may share one set of random draws: that is what makes thousands of them cheap. With every
    comparison's rows in another order, the error of the draws is another in each, instead of the same in all.

    Parameters
    ----------
    seed : array_like of int
        Seed, one or one per place; negative ones are allowed.
    place : array_like of int
        Places from 0 whose order is wanted.

    Returns
    -------
    ndarray of uint64
        Different for different places under the same seed.

    References
    ----------
    Steele, G. L., Lea, D. and Flood, C. H. (2014). Fast splittable pseudorandom number generators. OOPSLA 2014,
    453-472.

    Examples
    --------
    >>> [int(i) for i in np.argsort(reproducible_order(7, np.arange(5)))]
    [2, 1, 0, 4, 3]
    """
    start = _mixed(np.atleast_1d(np.asarray(seed)).astype(np.int64).astype(np.uint64))
    step = np.atleast_1d(np.asarray(place)).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return _mixed(start + step)


def _mixed(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
