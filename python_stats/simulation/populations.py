"""Populations of units with known means: what the simulated experiments draw from."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

FloatArray = NDArray[np.float64]


class Population(NamedTuple):
    """A distribution of one metric over units.

    Attributes
    ----------
    draw : callable
        ``draw(rng, shape)`` returns independent units.
    mean : float
        Its mean.
    trimmed_mean, skewness : float
        Mean of its middle 60 %, and its skewness; NaN where nobody asks.
    """

    draw: Callable[[np.random.Generator, tuple[int, ...]], FloatArray]
    mean: float
    trimmed_mean: float = np.nan
    skewness: float = np.nan


def normal(mean: float, sd: float) -> Population:
    """Draw normal values."""
    return Population(lambda rng, shape: rng.normal(mean, sd, shape), mean, mean)


def lognormal(sigma: float) -> Population:
    """Draw lognormal values with median 1; the larger sigma, the heavier the tail."""
    # The midpoint rule over the middle 60 % of probabilities.
    middle = np.exp(sigma * ndtri(0.2 + 0.6 * (np.arange(20_000) + 0.5) / 20_000)).mean()
    skewness = _skewness(1.0, sigma)
    return Population(
        lambda rng, shape: rng.lognormal(0.0, sigma, shape), float(np.exp(sigma**2 / 2)), float(middle), skewness
    )


def zero_inflated(share: float, sigma: float) -> Population:
    """Draw zero for most units, lognormal values for a share of them: revenue per visitor."""

    def draw(rng: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
        values = np.zeros(shape)
        spent = rng.random(shape) < share
        values[spent] = rng.lognormal(0.0, sigma, int(spent.sum()))
        return values

    return Population(draw, float(share * np.exp(sigma**2 / 2)), skewness=_skewness(share, sigma))


def _skewness(share: float, sigma: float) -> float:
    """Return the skewness of values that are lognormal for a share of the units and zero for the others."""
    first, second, third = (share * np.exp(k**2 * sigma**2 / 2) for k in (1, 2, 3))
    return float((third - 3 * first * second + 2 * first**3) / (second - first**2) ** 1.5)


def poisson(mean: float) -> Population:
    """Draw counts."""
    return Population(lambda rng, shape: rng.poisson(mean, shape).astype(np.float64), mean)
