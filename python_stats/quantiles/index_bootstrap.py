"""The bootstrap of a difference of two sample quantiles as draws of ranks, from windows of order statistics.

The bootstrap distribution of a sample quantile is the order statistic at a binomial rank, so the two arms' rank
distributions are all there is to resample. `python_stats.quantile_difference` is the way in.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from python_stats.quantiles.order_statistics import Windows, at_rank, binomial_cdf, binomial_sf

# A Fibonacci lattice is the two-dimensional sample of least discrepancy for its size; this size is the one below
# 100 000 whose half-step shift is symmetric both under exchange of the arms and under reflection of the values.
LATTICE_POINTS = 6765
LATTICE_GENERATOR = 4181


_Arm = tuple[Windows, NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


def index_bootstrap(
    control: Windows, treatment: Windows, tail: NDArray[np.float64], side: NDArray[np.str_]
) -> tuple[NDArray[np.float64], ...]:
    """Return standard error, p-value, limits of the difference and of the lift; garbage in cells to be refused."""
    arms = [(windows, *_rank_distribution(windows)) for windows in (control, treatment)]
    with np.errstate(all="ignore"):
        se = np.sqrt(sum(_variance(windows.values, *distribution) for windows, *distribution in arms))
        at_most_zero, at_least_zero = _sign_probabilities(*arms)
        both = np.minimum(1.0, 2.0 * np.minimum(at_most_zero, at_least_zero))
        p_value = np.where(side == "greater", at_most_zero, np.where(side == "less", at_least_zero, both))
        odd = 2 * np.arange(LATTICE_POINTS) + 1
        uniform = odd / (2 * LATTICE_POINTS), (LATTICE_GENERATOR * odd) % (2 * LATTICE_POINTS) / (2 * LATTICE_POINTS)
        drawn_control, drawn_treatment = (_draw(*arm[:3], u) for arm, u in zip(arms, uniform, strict=True))
        difference = drawn_treatment - drawn_control
        lift = difference / np.abs(drawn_control)
        edges = control.values[:, 0], at_rank(control, control.first_rank + control.size - 1.0)
        lift[~((edges[0] > 0.0) | (edges[1] < 0.0))] = np.nan
        limits = (*_percentiles(difference, tail, side), *_percentiles(lift, tail, side))
    return (se, p_value, *limits)


def _rank_distribution(
    windows: Windows,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Binomial(n + 1, q) on the ranks of the window, and the probabilities below and above it."""
    trials, q, first = windows.n + 1.0, windows.q, windows.first_rank
    last = first + windows.size - 1.0
    below, above = binomial_cdf(first - 1.0, trials, q), binomial_sf(last, trials, q)
    ranks = first[:, None] + np.arange(windows.values.shape[1])
    inside = np.arange(windows.values.shape[1]) < windows.size[:, None]
    with np.errstate(all="ignore"):
        # Ratios of neighbours lose no digits at any n, unlike differences of log-gamma functions.
        step = np.log((trials[:, None] - ranks + 1.0) / ranks) + (np.log(q) - np.log1p(-q))[:, None]
        step[:, 0] = 0.0
        log_mass = np.where(inside, np.cumsum(np.where(inside, step, 0.0), axis=1), -np.inf)
        mass = np.exp(log_mass - log_mass.max(axis=1, keepdims=True))
        mass *= (np.maximum(1.0 - below - above, 0.0) / mass.sum(axis=1))[:, None]
    return mass, below, above


def _variance(
    values: NDArray[np.float64],
    mass: NDArray[np.float64],
    below: NDArray[np.float64],
    above: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Variance of the bootstrapped quantile; ranks outside the window count as its first and last value."""
    present = ~np.isnan(values)
    last = np.maximum(present.sum(axis=1) - 1, 0)[:, None]
    weight = mass.copy()
    weight[:, 0] += below
    np.put_along_axis(weight, last, np.take_along_axis(weight, last, axis=1) + above[:, None], axis=1)
    shifted = np.where(present, values - values[:, :1], 0.0)
    centred = shifted - (weight * shifted).sum(axis=1, keepdims=True)
    return (weight * centred**2).sum(axis=1)


def _sign_probabilities(control: _Arm, treatment: _Arm) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bootstrap probabilities that treatment - control is <= 0 and >= 0; what is unseen counts in both."""
    return _probability_not_above(treatment, control), _probability_not_above(control, treatment)


def _probability_not_above(first: _Arm, second: _Arm) -> NDArray[np.float64]:
    (windows_1, mass_1, below_1, _), (windows_2, mass_2, _, above_2) = first, second
    merged = np.concatenate([windows_1.values, windows_2.values], axis=1)
    # Stable order puts the first arm before the second among equals, so that a tie counts as "not above".
    order = np.argsort(merged, axis=1, kind="stable")
    sorted_1 = np.take_along_axis(np.concatenate([mass_1, np.zeros_like(mass_2)], axis=1), order, axis=1)
    sorted_2 = np.take_along_axis(np.concatenate([np.zeros_like(mass_1), mass_2], axis=1), order, axis=1)
    seen = (np.cumsum(sorted_1, axis=1) * sorted_2).sum(axis=1)
    return np.minimum(1.0, seen + below_1 + above_2 - below_1 * above_2)


def _draw(
    windows: Windows,
    mass: NDArray[np.float64],
    below: NDArray[np.float64],
    uniform: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Values at the ranks that the uniform numbers select in every cell; infinite outside the window."""
    cells, width = windows.values.shape
    cumulative = np.concatenate([below[:, None], below[:, None] + np.cumsum(mass, axis=1)], axis=1)
    # One sorted vector of all cells, cell i raised by i, makes a single search do for every cell.
    offset = np.arange(cells)[:, None]
    stacked = np.clip(np.nan_to_num(cumulative, nan=1.0), 0.0, 1.0) + offset
    index = np.searchsorted(stacked.ravel(), (uniform + offset).ravel()).reshape(cells, -1) - offset * (width + 1)
    end = np.full((cells, 1), np.inf)
    ladder = np.concatenate([-end, np.where(np.isnan(windows.values), np.inf, windows.values), end], axis=1)
    return np.take_along_axis(ladder, index, axis=1)


def _percentiles(
    draws: NDArray[np.float64], tail: NDArray[np.float64], side: NDArray[np.str_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Symmetric inverted-cdf percentiles; NaN when unseen draws (infinite, or undecided) reach them."""
    count = draws.shape[1]
    resolved = tail * count >= 1.0
    position = np.where(resolved, np.ceil(tail * count) - 1.0, 0.0).astype(np.int64)
    ordered, undecided = np.sort(draws, axis=1), np.isnan(draws).sum(axis=1)
    # Sorting puts the undecided draws last, where they belong for the upper limit; the lower one has them first.
    places = position - undecided, count - 1 - position
    low, high = (np.take_along_axis(ordered, np.maximum(at, 0)[:, None], axis=1)[:, 0] for at in places)
    low = np.where(position >= undecided, low, np.nan)
    low, high = (np.where(resolved & np.isfinite(limit), limit, np.nan) for limit in (low, high))
    open_low, open_high = (side == "less") & ~np.isnan(high), (side == "greater") & ~np.isnan(low)
    return np.where(open_low, -np.inf, low), np.where(open_high, np.inf, high)
