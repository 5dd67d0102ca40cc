"""Draw the aggregates of synthetic comparisons, the common input of everybody in the inference section.

A comparison has a control and a treatment with units, means, variances and the covariance of an outcome and its
pre-period. Arms have 1,000 to 1,000,000 units; standard deviations are 0.3 to 10 times the mean, as revenue and
conversions have; the pre-period explains up to 80 % of the variance; effects are a percent or so. The arrays are a
function of the arguments and are handed over in a file, because the contestants run in environments of their own.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ARMS = ("control", "treatment")
MOMENTS = ("n", "mean_y", "mean_x", "var_y", "var_x", "cov_xy")


def draw_cells(cells: int, *, seed: int = 1) -> dict[str, NDArray[np.float64]]:
    """Draw the aggregates of comparisons.

    Parameters
    ----------
    cells
        Number of comparisons.
    seed
        Another seed is another draw.

    Returns
    -------
    dict of str to ndarray, shape (cells,)
        ``{moment}_{arm}`` for every moment (variances with n - 1) and arm.
    """
    rng = np.random.default_rng(seed)
    n = np.exp(rng.uniform(np.log(1e3), np.log(1e6), cells))
    mean_y = rng.lognormal(0.0, 2.0, cells)
    mean_x = mean_y * rng.uniform(0.8, 1.2, cells)
    sd_y = mean_y * np.exp(rng.uniform(np.log(0.3), np.log(10.0), cells))
    sd_x = sd_y * rng.uniform(0.8, 1.2, cells)
    correlation = rng.uniform(0.0, 0.9, cells)
    table = {}
    for arm in ARMS:
        size = np.floor(n * rng.uniform(0.95, 1.05, cells))
        spread = np.sqrt(rng.uniform(0.95, 1.05, cells))
        common = rng.normal(size=cells)
        own = rng.normal(size=cells)
        effect = rng.normal(0.0, 0.01, cells) if arm == "treatment" else 0.0
        drawn_y = (correlation * common + np.sqrt(1 - correlation**2) * own) / np.sqrt(size)
        table |= {
            f"n_{arm}": size,
            f"mean_y_{arm}": mean_y * (1 + effect) + sd_y * drawn_y,
            f"mean_x_{arm}": mean_x + sd_x * common / np.sqrt(size),
            f"var_y_{arm}": (sd_y * spread) ** 2,
            f"var_x_{arm}": (sd_x * spread) ** 2,
            f"cov_xy_{arm}": correlation * sd_x * sd_y * spread**2,
        }
    return table


def write_cells(path: Path, cells: int, *, seed: int = 1) -> None:
    """Write the aggregates of comparisons to an uncompressed .npz file."""
    np.savez(path, **draw_cells(cells, seed=seed))
