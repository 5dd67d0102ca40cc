"""Products of the rows of cells with draws they share, each row's result the same in whatever company."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# A matrix product takes rows in groups of up to this many, and the digits of a row depend on the size of its group.
ROWS_AT_ONCE = 8


def row_products(rows: NDArray[np.float64], draws: NDArray[np.float64]) -> NDArray[np.float64]:
    """Multiply every row with every draw and sum, ``rows @ draws.T``, so that a row alone gives the row among others.

    Parameters
    ----------
    rows : ndarray, shape (..., cells, k)
        One row per cell.
    draws : ndarray, shape (draws, k)
        Weights that all cells share.

    Returns
    -------
    ndarray, shape (..., cells, draws)

    Examples
    --------
    >>> row_products(np.array([[1.0, 2.0]]), np.array([[1.0, 1.0], [0.0, 2.0]])).tolist()
    [[3.0, 4.0]]
    """
    cells = rows.shape[-2]
    missing = -cells % ROWS_AT_ONCE
    if missing:
        rows = np.concatenate([rows, np.zeros((*rows.shape[:-2], missing, rows.shape[-1]))], axis=-2)
    return (rows @ draws.T)[..., :cells, :]
