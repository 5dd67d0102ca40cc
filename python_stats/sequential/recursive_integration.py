"""The distribution of a sequence of z-statistics at its looks, by recursive numerical integration.

Statistics of accumulating data have the canonical joint distribution: with information fractions ``t_1 < t_2 < ...``,
the ``Z_k`` are standard normal under the null hypothesis and ``Z_k * sqrt(t_k)`` has independent increments of variance
``t_k - t_{k-1}``. The density of ``Z_k`` among the paths that have not stopped before is carried from look to look as
values at quadrature nodes. Many schedules are carried at once: the loop runs over looks, and every step is a product of
one small matrix per schedule.

Between two looks Z moves by a Gaussian with standard deviation ``sqrt((t_k - t_{k-1}) / t_k)``, and no density is
rougher than that. Gauss-Legendre nodes about as far apart as this step give ten digits, so their number follows from
the design and the digits wanted.

References
----------
Armitage, P., McPherson, C. K. and Rowe, B. C. (1969). Repeated significance tests on accumulating data. JRSS A 132,
235-244. Jennison, C. and Turnbull, B. W. (2000). Group sequential methods with applications to clinical trials,
chapter 19.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray
from scipy.special import ndtr

# Beyond this a standard normal has less mass than a double resolves beside 1.
TAIL = 8.5
# Finer steps of the information than this would need matrices of many millions of elements.
FINEST_INCREMENT = 1e-4

_SQRT2 = np.sqrt(2.0)
_SQRT2PI = np.sqrt(2.0 * np.pi)
_PANEL = 32
_BATCH = 256
# Elements of the transition matrices built at once: small enough for a processor's cache.
_BLOCK = 2**15


class Resolution(NamedTuple):
    """How finely densities are carried.

    Attributes
    ----------
    nodes_per_step : float
        Quadrature nodes per Gaussian step of the continuation region's width.
    spare_nodes : float
        Nodes beyond these.
    far : float
        A continuation region without a lower edge is cut this far below zero.
    """

    nodes_per_step: float
    spare_nodes: float
    far: float


# Eight digits: a path below -6 contributes less than 1e-8 of any later crossing.
FINE = Resolution(1.3, 8.0, 6.0)
# Four digits, for a third of the work.
COARSE = Resolution(0.9, 8.0, 4.5)


class Density(NamedTuple):
    """Sub-density of Z at a look among the paths that go on, for S schedules.

    Attributes
    ----------
    fraction : ndarray, shape (S,)
        Information fraction of the look.
    top : ndarray, shape (S,)
        Upper edge of the continuation region.
    nodes : ndarray, shape (S, M)
        Quadrature nodes on the scale of Z.
    mass : ndarray, shape (S, M)
        Density at the nodes times quadrature weight: sums to the probability of going on.
    size : ndarray of int, shape (S,)
        Nodes in use: the first so many of each schedule. The others have no mass.
    """

    fraction: NDArray[np.float64]
    top: NDArray[np.float64]
    nodes: NDArray[np.float64]
    mass: NDArray[np.float64]
    size: NDArray[np.intp]

    def head(self, rows: int) -> Density:
        """Return the first schedules only."""
        return Density(*(part[:rows] for part in self))

    def take(self, rows: NDArray[np.intp], nodes: int) -> Density:
        """Return some schedules, none of which uses more than so many nodes."""
        return Density(
            self.fraction[rows], self.top[rows], self.nodes[rows, :nodes], self.mass[rows, :nodes], self.size[rows]
        )


class CrossingProbability(NamedTuple):
    """Probabilities of stopping at each look, not before.

    Attributes
    ----------
    upper, lower : ndarray, shape (..., looks)
        Probability that the upper (lower) boundary is the first one crossed and that this happens at the look. NaN at
        looks that are missing; their sum over looks (`numpy.nansum`) is the probability of crossing at all.
    """

    upper: NDArray[np.float64]
    lower: NDArray[np.float64]


@lru_cache(maxsize=64)
def _rule(count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gauss-Legendre nodes and weights on (0, 1), in panels when there are many."""
    panels = 1 if count <= 2 * _PANEL else count // _PANEL
    x, w = np.polynomial.legendre.leggauss(count // panels)
    nodes = (np.arange(panels)[:, np.newaxis] + (x + 1.0) / 2.0) / panels
    return nodes.ravel(), np.tile(w / 2.0 / panels, panels)


def node_count(width_in_steps: npt.ArrayLike, resolution: Resolution = FINE) -> NDArray[np.intp]:
    """Choose the number of nodes for continuation regions as wide as so many Gaussian steps.

    Examples
    --------
    >>> node_count([20.0, 80.0]).tolist(), int(node_count(20.0, COARSE))
    ([40, 128], 32)
    """
    wanted = resolution.nodes_per_step * np.asarray(width_in_steps, dtype=np.float64) + resolution.spare_nodes
    size = np.where(wanted <= 2 * _PANEL, 8, _PANEL)
    return np.maximum(1, np.ceil(wanted / size)).astype(np.intp) * size


def of_equal_size(size: NDArray[np.intp]) -> Iterator[tuple[NDArray[np.intp], int]]:
    """Row numbers of equal size, with that size.

    Rounding to fewer sizes would save a little time, and a schedule's last digits would depend on its company.

    Examples
    --------
    >>> [(rows.tolist(), one) for rows, one in of_equal_size(np.array([40, 16, 40, 128]))]
    [([1], 16), ([0, 2], 40), ([3], 128)]
    """
    for one in np.unique(size):
        yield np.flatnonzero(size == one), int(one)


def step_sd(before: NDArray[np.float64], after: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the standard deviation of the step of Z from one information fraction to a larger one.

    Examples
    --------
    >>> float(step_sd(np.array(0.75), np.array(1.0)))
    0.5
    """
    return np.sqrt((after - before) / after)


def origin(schedules: int) -> Density:
    """Return the state before the first look: every path at zero with no information."""
    zeros = np.zeros((schedules, 1))
    return Density(zeros[:, 0], zeros[:, 0], zeros, np.ones((schedules, 1)), np.ones(schedules, dtype=np.intp))


def _standardised(state: Density, fraction: NDArray[np.float64], z: NDArray[np.float64]) -> NDArray[np.float64]:
    """How many steps each node's expected Z at the next look lies above z."""
    shrink = np.sqrt(state.fraction / fraction)
    sd = step_sd(state.fraction, fraction)
    return state.nodes * (shrink / sd)[:, np.newaxis] - (z / sd)[:, np.newaxis]


def _sums(
    state: Density,
    fraction: NDArray[np.float64],
    z: NDArray[np.float64],
    *functions: Callable[[NDArray[np.float64]], NDArray[np.float64]],
) -> list[NDArray[np.float64]]:
    """Sum functions of the standardised nodes over each schedule's mass, schedules with as many nodes together."""
    sums = [np.empty(z.size) for _ in functions]
    for rows, nodes in of_equal_size(state.size):
        some = state.take(rows, nodes)
        u = _standardised(some, fraction[rows], z[rows])
        for one, function in zip(sums, functions, strict=True):
            one[rows] = np.einsum("sm,sm->s", function(u), some.mass)
    return sums


def upper_tail(state: Density, fraction: NDArray[np.float64], z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probability of going on after the state's look and of ``Z >= z`` at the next look, shape (S,)."""
    return _sums(state, fraction, z, ndtr)[0]


def lower_tail(state: Density, fraction: NDArray[np.float64], z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probability of going on after the state's look and of ``Z <= z`` at the next look, shape (S,)."""
    return _sums(state, fraction, z, lambda u: ndtr(-u))[0]


def upper_tail_and_density(
    state: Density, fraction: NDArray[np.float64], z: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """`upper_tail` and the sub-density of Z at z, which is minus its derivative."""
    tail, height = _sums(state, fraction, z, ndtr, lambda u: np.exp(-0.5 * u * u))
    return tail, height / (_SQRT2PI * step_sd(state.fraction, fraction))


def advance(
    state: Density,
    fraction: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    following: NDArray[np.float64],
    resolution: Resolution = FINE,
) -> Density:
    """Carry the sub-density to the next look and keep what lies between finite ``low`` and ``high``.

    ``following`` is the information fraction of the look after that: its step decides how fine the nodes must be.
    """
    sd = step_sd(state.fraction, fraction)
    high = np.maximum(high, low)
    width = high - low
    finest = np.minimum(sd, step_sd(fraction, following))
    size = node_count(width / finest, resolution)
    scale = 1.0 / (_SQRT2 * sd)
    shrink = scale * np.sqrt(state.fraction / fraction)
    height = width / (_SQRT2PI * sd)
    nodes, mass = np.zeros((2, size.size, int(size.max())))
    for rows, count in of_equal_size(size):
        unit_nodes, unit_weights = _rule(count)
        nodes[rows, :count] = low[rows, np.newaxis] + width[rows, np.newaxis] * unit_nodes
        for same, before in of_equal_size(state.size[rows]):
            length = max(1, _BLOCK // (count * before))
            for start in range(0, same.size, length):
                block = rows[same[start : start + length]]
                target = nodes[block, :count] * scale[block, np.newaxis]
                source = state.nodes[block, :before] * shrink[block, np.newaxis]
                transition = target[:, :, np.newaxis] - source[:, np.newaxis, :]
                np.multiply(transition, transition, out=transition)
                np.negative(transition, out=transition)
                np.exp(transition, out=transition)
                density = np.matmul(transition, state.mass[block, :before, np.newaxis])[:, :, 0]
                mass[block, :count] = density * (unit_weights * height[block, np.newaxis])
    return Density(fraction, high, nodes, mass, size)


def pack(present: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Order that moves the looks that are present to the front, and their number per schedule.

    Examples
    --------
    >>> order, looks = pack(np.array([[False, True, False, True]]))
    >>> order.tolist(), looks.tolist()
    ([[1, 3, 0, 2]], [2])
    """
    return np.argsort(~present, axis=-1, kind="stable"), present.sum(axis=-1)


def batches(fraction: NDArray[np.float64], looks: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
    """Row numbers of packed schedules of like fineness, longest first, a batch at a time.

    The arrays of a batch are as wide as its largest number of nodes, so a schedule with a fine step must not meet one
    with coarse steps. Within a batch those with many looks come first: the ones still running at a look are its first
    rows.
    """
    before = np.concatenate([np.zeros((fraction.shape[0], 1)), fraction[:, :-1]], axis=1)
    present = np.arange(fraction.shape[1]) < looks[:, np.newaxis]
    with np.errstate(all="ignore"):
        finest = np.min(np.where(present, step_sd(before, fraction), 1.0), axis=1, initial=1.0)
    # Classes a factor of the square root of two apart, so nobody is padded with more than that too many nodes.
    fineness = np.where(looks > 0, np.ceil(-2.0 * np.log2(np.maximum(finest, 1e-3))), 0.0)
    order = np.lexsort((-looks, fineness))
    order = order[looks[order] > 0]
    for one in np.split(order, np.flatnonzero(np.diff(fineness[order])) + 1):
        for start in range(0, one.size, _BATCH):
            yield one[start : start + _BATCH]


def crossing_probability(
    information_fraction: npt.ArrayLike,
    upper: npt.ArrayLike,
    lower: npt.ArrayLike = -np.inf,
    *,
    drift: npt.ArrayLike = 0.0,
) -> CrossingProbability:
    """Probability of first crossing the boundaries of a sequential design at each of its looks.

    Paths go on while ``lower < Z < upper``. Under the drift d, Z at a look with information fraction t has mean
    ``d * sqrt(t)``, so d is the expected Z at the planned end; 0 is the null hypothesis.

    Parameters
    ----------
    information_fraction : array_like, shape (..., looks)
        Increasing; NaN (or not positive) where there is no look. May go beyond 1.
    upper, lower : array_like, broadcastable to the same shape
        Boundaries on the scale of Z. Infinite: no stop on that side at that look. NaN: no look.
    drift : array_like, shape (...)
        One per schedule.

    Returns
    -------
    CrossingProbability
        Correct to about 1e-8. A schedule whose looks do not add at least one part in ten thousand of their information
        is NaN as a whole.

    References
    ----------
    Jennison, C. and Turnbull, B. W. (2000). Group sequential methods with applications to clinical trials, chapter 19.

    Examples
    --------
    Testing at 5 % at ten looks is wrong in one experiment out of five, not in 1 - 0.95**10 = 40 %:

    >>> t = np.arange(1, 11) / 10
    >>> p = crossing_probability(t, 1.959964, -1.959964)
    >>> round(float((p.upper + p.lower).sum()), 4)
    0.1934
    """
    fraction, high, low = np.broadcast_arrays(
        *(np.asarray(x, dtype=np.float64) for x in (information_fraction, upper, lower))
    )
    shift = np.asarray(drift, dtype=np.float64)[..., np.newaxis]
    fraction, high, low, shift = np.broadcast_arrays(fraction, high, low, shift)
    shape = fraction.shape
    fraction, high, low, shift = (x.reshape(-1, shape[-1]) for x in (fraction, high, low, shift))

    with np.errstate(all="ignore"):
        present = (fraction > 0.0) & np.isfinite(fraction) & ~np.isnan(high) & ~np.isnan(low)
        order, looks = pack(present)
        packed = np.take_along_axis(fraction, order, axis=1)
        mean = shift * np.sqrt(fraction)
        packed_high = np.take_along_axis(high - mean, order, axis=1)
        packed_low = np.take_along_axis(low - mean, order, axis=1)
        filled = np.arange(shape[-1]) < looks[:, np.newaxis]
        close = packed[:, 1:] < packed[:, :-1] * (1.0 + FINEST_INCREMENT)
        usable = ~np.any(close & filled[:, 1:], axis=1) & np.isfinite(shift[:, 0])
        looks = np.where(usable, looks, 0)

    exits = np.full((2, *packed.shape), np.nan)
    for rows in batches(packed, looks):
        state = origin(rows.size)
        for look in range(int(looks[rows[0]])):
            now = rows[looks[rows] > look]
            t, top, bottom = packed[now, look], packed_high[now, look], packed_low[now, look]
            state = state.head(now.size)
            exits[0, now, look] = upper_tail(state, t, top)
            exits[1, now, look] = lower_tail(state, t, bottom)
            after = int(np.sum(looks[now] > look + 1))
            if after:
                keep = slice(0, after)
                state = advance(
                    state.head(after),
                    t[keep],
                    np.clip(bottom, np.where(np.isinf(bottom), -FINE.far, -TAIL), TAIL)[keep],
                    np.clip(top, -TAIL, np.where(np.isinf(top), FINE.far, TAIL))[keep],
                    packed[now[keep], look + 1],
                )
    result = np.full_like(exits, np.nan)
    np.put_along_axis(result, np.broadcast_to(order, exits.shape), exits, axis=2)
    return CrossingProbability(result[0].reshape(shape), result[1].reshape(shape))
