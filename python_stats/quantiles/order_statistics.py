"""Sample quantiles and their standard errors from a window of order statistics.

A quantile needs only a window of the sorted values: every function here takes, per cell, the size ``n``, the
probability ``q``, the rank of the first value in the window and a row of sorted values (padded at its end with NaN).
`order_statistic_window` says which ranks to fetch.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray
from scipy.special import bdtrik, betainc, betaincc, ndtri

DEFINITIONS = (1, 2, 6, 7, 8)


class QuantileArgumentError(ValueError):
    """A probability outside (0, 1), an unknown definition, or a window width that is not positive."""


class RankWindow(NamedTuple):
    """Ranks (1 is the smallest value) of the order statistics that a cell needs, both ends included."""

    first_rank: NDArray[np.int64]
    last_rank: NDArray[np.int64]


class Windows(NamedTuple):
    """Cells flattened to one axis: sizes and windows whose unusable tails are NaN."""

    n: NDArray[np.float64]
    q: NDArray[np.float64]
    first_rank: NDArray[np.float64]
    values: NDArray[np.float64]
    size: NDArray[np.int64]


def order_statistic_window(
    n: npt.ArrayLike, q: npt.ArrayLike, width: float = 12.0, *, design_effect: npt.ArrayLike = 1.0
) -> RankWindow:
    """Ranks of the order statistics to fetch for a quantile, about ``width`` standard deviations of its rank.

    The ranks run from ``floor(n q - half)`` to ``ceil(n q + half) + 1`` with ``half = width / 2 * sqrt(design_effect *
    n q (1 - q) + 1)``, cut to 1 and n. The added 1 keeps the window wide enough where ``n q (1 - q)`` is small and the
    rank is Poisson rather than normal; at the default width less than 1e-7 of the rank's distribution lies outside.

    Parameters
    ----------
    n : array_like
        Number of values in the cell.
    q : array_like
        Probability of the quantile, in (0, 1).
    width : float, default 12
        Width of the window in standard deviations of the rank.
    design_effect : array_like, default 1
        Inflation of the variance of the share of values below the quantile, above 1 for clustered values.

    Returns
    -------
    RankWindow
        Integers; the empty window (1, 0) where n is missing, below 1 or beyond 2**53, or the design effect is missing
        or negative.

    Raises
    ------
    QuantileArgumentError
        For q outside (0, 1) or a width that is not positive.

    References
    ----------
    Schultzberg, M. and Ankargren, S. (2022). Resampling-free bootstrap inference for quantiles. arXiv:2202.10992.

    Examples
    --------
    >>> window = order_statistic_window(1_000_000, 0.99)
    >>> int(window.first_rank), int(window.last_rank)
    (989402, 990599)
    """
    if not width > 0.0:
        raise QuantileArgumentError(f"width must be positive; found {width}")
    size, probability, inflation = np.broadcast_arrays(
        np.asarray(n, dtype=np.float64), check_probability(q), np.asarray(design_effect, dtype=np.float64)
    )
    # Ranks are integers: beyond 2**53 a double does not hold them.
    usable = (size >= 1.0) & (size <= 2.0**53) & np.isfinite(inflation) & (inflation >= 0.0)
    size = np.where(usable, size, 0.0)
    centre = size * probability
    with np.errstate(over="ignore"):
        half = width / 2.0 * np.sqrt(np.where(usable, inflation, 1.0) * centre * (1.0 - probability) + 1.0)
    first = np.maximum(np.floor(centre - half), 1.0)
    last = np.minimum(np.ceil(centre + half) + 1.0, size)
    return RankWindow(first.astype(np.int64), last.astype(np.int64))


def sample_quantile(
    n: npt.ArrayLike,
    q: npt.ArrayLike,
    first_rank: npt.ArrayLike,
    values: npt.ArrayLike,
    *,
    definition: int = 7,
) -> NDArray[np.float64]:
    """Sample quantile by one of the numbered definitions of Hyndman and Fan, from a window of order statistics.

    Definition 7 is SQL's ``quantile_cont`` / ``percentile_cont`` and NumPy's and R's default; 1 is ``quantile_disc`` /
    ``percentile_disc``; 2 averages at the jumps of 1; 6 is Weibull's, 8 the approximately median-unbiased one.
    Approximate quantiles (t-digest) are none of these.

    Parameters
    ----------
    n, q, first_rank : array_like
        Number of values in the cell, probability in (0, 1), rank of the first value of the window; they broadcast to
        the shape of the cells.
    values : array_like
        Sorted values, shape (cells, window), padded with NaN at the end of a row.
    definition : {1, 2, 6, 7, 8}, default 7
        Definition in the numbering of Hyndman and Fan, which is R's ``type``.

    Returns
    -------
    ndarray
        NaN where a value it needs is not in the window.

    Raises
    ------
    QuantileArgumentError
        For q outside (0, 1) or another definition.

    References
    ----------
    Hyndman, R. J. and Fan, Y. (1996). Sample quantiles in statistical packages. The American Statistician 50, 361-365.

    Examples
    --------
    >>> values = [1.0, 2.0, 4.0, 8.0, 16.0]
    >>> [round(float(sample_quantile(5, 0.4, 1, values, definition=d)), 6) for d in (1, 2, 6, 7)]
    [2.0, 3.0, 2.8, 3.2]
    """
    check_definition(definition)
    windows, shape = flatten(n, q, first_rank, values)
    return estimate_at(windows, definition).reshape(shape)


def quantile_standard_error(
    n: npt.ArrayLike,
    q: npt.ArrayLike,
    first_rank: npt.ArrayLike,
    values: npt.ArrayLike,
    *,
    variance_below: npt.ArrayLike | None = None,
) -> NDArray[np.float64]:
    """Analytic standard error of a sample quantile from the spacing of the order statistics around it.

    With z = 1.96, the values (interpolated) at the ranks ``n q + 1/2 -/+ z n sqrt(variance_below)`` lie 2 z standard
    errors apart. That is Woodruff's interval read backwards, and needs no density estimate.

    Parameters
    ----------
    n, q, first_rank, values : array_like
        As in `sample_quantile`.
    variance_below : array_like, optional
        Variance of the share of values below the quantile; ``q (1 - q) / n`` (independent values) when absent. For
        events clustered in units pass the delta-method variance of the mean of the indicator.

    Returns
    -------
    ndarray
        NaN where one of the two ranks is outside the window; 0 where both lie on the same tied value.

    Raises
    ------
    QuantileArgumentError
        For q outside (0, 1).

    References
    ----------
    Deng, A., Knoblich, U. and Lu, J. (2018). Applying the delta method in metric analytics. KDD 2018, section 4.
    Woodruff, R. S. (1952). Confidence intervals for medians and other position measures. JASA 47, 635-646.

    Examples
    --------
    >>> round(float(quantile_standard_error(100, 0.5, 1, range(1, 101))), 6)
    5.0
    """
    windows, shape = flatten(n, q, first_rank, values)
    return spacing_error(windows, variance_of_share(windows, variance_below, shape)).reshape(shape)


def check_probability(q: npt.ArrayLike) -> NDArray[np.float64]:
    """Return the probabilities as an array, or refuse them in words."""
    probability = np.asarray(q, dtype=np.float64)
    outside = ~((probability > 0.0) & (probability < 1.0))
    if np.any(outside):
        raise QuantileArgumentError(f"q must be strictly between 0 and 1; found {probability[outside].flat[0]}")
    return probability


def check_definition(definition: int) -> None:
    """Refuse an unknown definition of the sample quantile in words."""
    if definition not in DEFINITIONS:
        raise QuantileArgumentError(f"definition must be one of {DEFINITIONS}; found {definition}")


def flatten(
    n: npt.ArrayLike, q: npt.ArrayLike, first_rank: npt.ArrayLike, values: npt.ArrayLike, *others: NDArray[np.generic]
) -> tuple[Windows, tuple[int, ...]]:
    """Broadcast the arguments to the cells' shape, flatten it, and blank windows that cannot be order statistics."""
    row = np.asarray(values, dtype=np.float64)
    if row.ndim == 0 or row.shape[-1] == 0:
        row = np.full((*row.shape[:-1], 1), np.nan)
    size, first, probability = np.asarray(n, np.float64), np.asarray(first_rank, np.float64), check_probability(q)
    shape = np.broadcast_shapes(
        size.shape, first.shape, probability.shape, row.shape[:-1], *(other.shape for other in others)
    )
    size, first, probability = (np.broadcast_to(part, shape).ravel() for part in (size, first, probability))
    row = np.broadcast_to(row, (*shape, row.shape[-1])).reshape(-1, row.shape[-1])
    missing = ~np.isfinite(row)
    length = np.where(missing.any(axis=1), missing.argmax(axis=1), row.shape[1])
    with np.errstate(all="ignore"):
        unsorted = (np.diff(row, axis=1) < 0.0).any(axis=1)
        usable = np.isfinite(size) & (size >= 1.0) & (first >= 1.0) & (first + length - 1.0 <= size) & ~unsorted
    length = np.where(usable, length, 0)
    row = np.where(np.arange(row.shape[1]) < length[:, None], row, np.nan)
    return Windows(np.where(usable, size, np.nan), probability, first, row, length), shape


def expand(windows: Windows, shape: tuple[int, ...], target: tuple[int, ...]) -> Windows:
    """Broadcast the flattened cells of one shape to another."""
    if shape == target:
        return windows
    n, q, first, size = (
        np.broadcast_to(part.reshape(shape), target).ravel()
        for part in (windows.n, windows.q, windows.first_rank, windows.size)
    )
    width = windows.values.shape[1]
    values = np.broadcast_to(windows.values.reshape(*shape, width), (*target, width)).reshape(-1, width)
    return Windows(n, q, first, values, size)


def at_rank(windows: Windows, rank: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the value at a whole rank of each cell; NaN outside its window."""
    position = rank - windows.first_rank
    inside = (position >= 0.0) & (position < windows.size)
    index = np.where(inside, position, 0.0).astype(np.int64)
    picked = np.take_along_axis(windows.values, index[:, None], axis=1)[:, 0]
    return np.where(inside, picked, np.nan)


def between_ranks(windows: Windows, rank: NDArray[np.float64]) -> NDArray[np.float64]:
    """Interpolate the values at the two whole ranks around a rank; NaN outside the window."""
    below = np.floor(rank)
    share = rank - below
    low, high = at_rank(windows, below), at_rank(windows, below + 1.0)
    return np.where(share == 0.0, low, low + share * (high - low))


def estimate_at(windows: Windows, definition: int) -> NDArray[np.float64]:
    """Return the sample quantile of each flattened cell; see `sample_quantile`."""
    n, q = windows.n, windows.q
    if definition == 7:
        rank = 1.0 + (n - 1.0) * q
    elif definition == 6:
        rank = (n + 1.0) * q
    elif definition == 8:
        rank = (n + 1.0 / 3.0) * q + 1.0 / 3.0
    else:
        rank = n * q
    # n q is a whole number more often than floating point says (0.07 * 100 > 7), at every size of n.
    nearest = np.round(rank)
    with np.errstate(all="ignore"):
        rank = np.where(
            np.abs(rank - nearest) <= 4.0 * np.finfo(np.float64).eps * np.maximum(nearest, 1.0), nearest, rank
        )
        if definition == 1:
            rank = np.ceil(rank)
        elif definition == 2:
            rank = np.where(rank == np.floor(rank), rank + 0.5, np.ceil(rank))
        return between_ranks(windows, np.clip(rank, 1.0, n))


def variance_of_share(windows: Windows, variance: npt.ArrayLike | None, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the variance of the share of values below the quantile: the given one, or that of independent values."""
    if variance is None:
        return windows.q * (1.0 - windows.q) / windows.n
    given = np.broadcast_to(np.asarray(variance, dtype=np.float64), shape).ravel()
    return np.where(given > 0.0, given, np.nan)


def spacing_error(windows: Windows, variance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the standard error of each flattened cell; see `quantile_standard_error`."""
    # The standard error must not move with the alpha of an interval, so its spacing is always that of 95 %.
    z = -float(ndtri(0.025))
    with np.errstate(all="ignore"):
        centre, half = windows.n * windows.q + 0.5, z * windows.n * np.sqrt(variance)
        return (between_ranks(windows, centre + half) - between_ranks(windows, centre - half)) / (2.0 * z)


def binomial_cdf(k: NDArray[np.float64], n: NDArray[np.float64], q: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probability of at most ``k`` of ``n``."""
    with np.errstate(all="ignore"):
        inner = betaincc(np.clip(k, 0.0, n - 1.0) + 1.0, n - np.clip(k, 0.0, n - 1.0), q)
        return np.where(k < 0.0, 0.0, np.where(k >= n, 1.0, inner))


def binomial_sf(k: NDArray[np.float64], n: NDArray[np.float64], q: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probability of more than ``k`` of ``n``."""
    with np.errstate(all="ignore"):
        inner = betainc(np.clip(k, 0.0, n - 1.0) + 1.0, n - np.clip(k, 0.0, n - 1.0), q)
        return np.where(k < 0.0, 1.0, np.where(k >= n, 0.0, inner))


def _binomial_quantile(p: NDArray[np.float64], n: NDArray[np.float64], q: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(all="ignore"):
        k = np.clip(np.ceil(bdtrik(p, n, q)), 0.0, n)
        # A probability that is met exactly must not be missed by a rounding error of the cumulative sum.
        enough = p * (1.0 - 64.0 * np.finfo(np.float64).eps)
        return np.where((k > 0.0) & (binomial_cdf(k - 1.0, n, q) >= enough), k - 1.0, k)


def exact_ranks(windows: Windows, tail: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the ranks of the distribution-free limits; 0 and n + 1 mean that there is none."""
    low = _binomial_quantile(tail, windows.n, windows.q)
    return low, _binomial_quantile(1.0 - tail, windows.n, windows.q) + 1.0
