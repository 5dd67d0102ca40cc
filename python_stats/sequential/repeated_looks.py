"""What a group sequential design says at every look: boundary, repeated interval, sequential p-value.

These are answers of their own, beside those of a fixed horizon and never instead of them: every field that has a
fixed-horizon twin carries ``sequential`` or ``repeated`` in its name.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from python_stats.arguments import check_axis
from python_stats.sequential.always_valid import running_minimum
from python_stats.sequential.group_sequential import SpendingBoundaries, UnknownDesignError, spending_boundaries
from python_stats.sequential.recursive_integration import COARSE, FINE, Resolution
from python_stats.wald import check_alpha, check_alternative

# Levels at which a design is solved to find its p-values, in steps of this many normal standard deviations (wider far
# out, where p-values are below 1e-6 and boundaries are straight lines).
_STEP = 0.5
_STRETCH = 3.0
# Further levels of a design on |Z|, whose later boundaries hardly move where the level is near 1.
_BEND = np.array([0.05, 0.15, 0.25, 0.35])
# A boundary of the coarse solution may be this far off.
_SOLVED = 0.01
# A normal quantile whose tail still fits into a double.
_LARGEST = 37.0


class RepeatedLooks(NamedTuple):
    """A group sequential analysis at each of its looks, shape ``(..., looks)`` unless said otherwise.

    Attributes
    ----------
    statistic : ndarray
        Z at the look, ``(effect - null) / se``.
    information_fraction : ndarray
        The fraction (or spending time) at which alpha was spent: as given, at most 1.
    over_planned : ndarray of bool
        The fraction (or spending time) given was above 1.
    z_boundary : ndarray
        As in `python_stats.SpendingBoundaries`.
    cumulative_alpha : ndarray
        As in `python_stats.SpendingBoundaries`.
    repeated_p_value : ndarray
        Smallest level at which the design rejects at this look: at most alpha exactly when Z reaches the boundary.
    sequential_p_value : ndarray
        Running minimum of the repeated p-values: valid whenever one stops, at most alpha exactly when the boundary has
        been reached at this look or an earlier one.
    sequential_ci_low, sequential_ci_high : ndarray
        Repeated confidence interval, ``effect -/+ z_boundary * se``; all looks together cover with probability
        ``1 - alpha``. One limit is infinite for a one-sided alternative.
    crossed : ndarray of bool
        The boundary has been reached at this look or an earlier one.
    first_crossed : ndarray of int, shape (...)
        Index of the first look at which it was reached, -1 when none.
    after_end : ndarray of bool
        The look came, with new information, after the one that spent the last of alpha: it has no boundary, and its
        interval and p-value are those of that last one.
    """

    statistic: NDArray[np.float64]
    information_fraction: NDArray[np.float64]
    over_planned: NDArray[np.bool_]
    z_boundary: NDArray[np.float64]
    cumulative_alpha: NDArray[np.float64]
    repeated_p_value: NDArray[np.float64]
    sequential_p_value: NDArray[np.float64]
    sequential_ci_low: NDArray[np.float64]
    sequential_ci_high: NDArray[np.float64]
    crossed: NDArray[np.bool_]
    first_crossed: NDArray[np.intp]
    after_end: NDArray[np.bool_]


class _Designs(NamedTuple):
    """Distinct designs: information and spending time of shape (S, K), everything else of shape (S,)."""

    information: NDArray[np.float64]
    time: NDArray[np.float64]
    alpha: NDArray[np.float64]
    spending: NDArray[np.str_]
    parameter: NDArray[np.float64]
    sided: NDArray[np.str_]

    def boundaries(self, resolution: Resolution) -> SpendingBoundaries:
        """Solve them."""
        return spending_boundaries(
            self.information,
            alpha=self.alpha,
            spending=self.spending,
            parameter=self.parameter,
            sided=self.sided,
            spending_time=self.time,
            resolution=resolution,
        )


def _levels(
    quantile: NDArray[np.float64], two_sided: NDArray[np.bool_], symmetric: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Grid of normal quantiles of the level, shape (S, nodes), increasing, with each schedule's own alpha on it.

    Levels run from nearly 1 to the smallest double. Unused nodes are NaN and come last.
    """
    lowest = np.where(two_sided, 0.01, -3.0)[:, np.newaxis]
    own = quantile[:, np.newaxis]
    steps = np.arange(-28, 54) / 2.0
    # Boundaries on |Z| bend at levels near 1, where hardly a path is left to stop.
    wanted = (steps == np.round(steps)) | ((steps < 0.0) & symmetric[:, np.newaxis])
    grid = own + _STRETCH * np.sinh(steps * (_STEP / _STRETCH))
    keep = wanted & ((steps == 0.0) | ((grid > lowest + 0.1) & (grid < _LARGEST)))
    first = np.where(own > lowest + 0.1, lowest, np.nan)
    bend = np.where(symmetric[:, np.newaxis] & (np.abs(_BEND - own) > 0.01), _BEND, np.nan)
    return np.sort(np.hstack([first, bend, np.where(keep, grid, np.nan)]), axis=1)


def _boundaries_by_level(
    designs: _Designs, own: NDArray[np.float64], largest: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Solve the designs at a grid of levels, as far up as their largest statistics need.

    Returns the normal quantiles of the levels, shape (S, nodes), and the boundaries, shape (S, nodes, K), both
    increasing along the nodes and NaN where not needed. ``own`` are the boundaries at each design's own alpha. Every
    statistic finds the four nodes of its cubic, so that its p-value is the same whatever the others of its design are.
    """
    sides = np.where(designs.sided == "one_sided", 1.0, 2.0)
    quantile = -ndtri(designs.alpha / sides)
    grid = _levels(quantile, sides == 2.0, designs.sided == "symmetric")
    of_alpha = grid == quantile[:, np.newaxis]
    # A boundary is never below the quantile of its level (up to the solver's error), so a level beyond the largest
    # statistic is not reached. A cubic needs the two nodes above the last one reached, and four in all.
    two_below = np.column_stack([np.full((quantile.size, 4), -np.inf), grid[:, 2:-2]])
    wanted = of_alpha | (~np.isnan(grid) & (two_below <= largest[:, np.newaxis] + _SOLVED))
    used = int(np.max(np.nonzero(wanted)[1], initial=0)) + 1
    grid, of_alpha, wanted = grid[:, :used], of_alpha[:, :used], wanted[:, :used]
    design, node = np.nonzero(wanted & ~of_alpha)
    others = _Designs(*(column[design] for column in designs))
    table = np.full((*grid.shape, own.shape[-1]), np.nan)
    table[design, node] = others._replace(alpha=ndtr(-grid[design, node]) * sides[design]).boundaries(COARSE).z_boundary
    table[of_alpha] = own
    return grid, np.where(np.isnan(table), np.nan, np.fmax.accumulate(table, axis=1))


def _interpolated(
    z: NDArray[np.float64], boundary: NDArray[np.float64], level: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Find the normal quantile of the level whose boundary is z, by a cubic through the four nearest levels.

    ``z`` has shape (S, K), ``boundary`` (S, nodes, K) and ``level`` (S, nodes), both increasing along the nodes. Minus
    infinity where z is below all boundaries.
    """
    nodes = level.shape[1]
    reached = np.sum(boundary <= z[:, np.newaxis, :], axis=1)
    below = reached - 1
    levels = np.broadcast_to(level[:, :, np.newaxis], boundary.shape)

    def at(values: NDArray[np.float64], index: NDArray[np.intp]) -> NDArray[np.float64]:
        return np.take_along_axis(values, np.clip(index, 0, nodes - 1)[:, np.newaxis, :], axis=1)[:, 0, :]

    low, high = at(levels, below), at(levels, below + 1)
    start = np.clip(below - 1, 0, np.maximum(np.sum(~np.isnan(boundary), axis=1) - 4, 0))
    x = [at(levels, start + shift) for shift in range(4)]
    y = [at(boundary, start + shift) for shift in range(4)]
    # Newton's divided differences of the boundary as a function of the level: that function is smooth, its inverse is
    # steep where levels near 1 have hardly any boundary left.
    first = [(y[i + 1] - y[i]) / (x[i + 1] - x[i]) for i in range(3)]
    second = [(first[i + 1] - first[i]) / (x[i + 2] - x[i]) for i in range(2)]
    third = (second[1] - second[0]) / (x[3] - x[0])
    left, right = low, high
    for _ in range(45):
        middle = 0.5 * (left + right)
        curve = second[0] + (middle - x[2]) * third
        curve = first[0] + (middle - x[1]) * curve
        curve = y[0] + (middle - x[0]) * curve
        right = np.where(curve > z, middle, right)
        left = np.where(curve > z, left, middle)
    value = np.where(np.isnan(high), low, left)
    known = ~np.isnan(z) & ~np.isnan(boundary[:, 0, :])
    return np.where(known, np.where(reached == 0, -np.inf, value), np.nan)


def repeated_looks(
    effect: npt.ArrayLike,
    se: npt.ArrayLike,
    information_fraction: npt.ArrayLike,
    *,
    alpha: npt.ArrayLike = 0.05,
    alternative: npt.ArrayLike = "two_sided",
    spending: npt.ArrayLike = "obrien_fleming",
    parameter: npt.ArrayLike | None = None,
    design: npt.ArrayLike = "per_side",
    null: npt.ArrayLike = 0.0,
    spending_time: npt.ArrayLike | None = None,
) -> RepeatedLooks:
    """Analyse every look of alpha-spending designs: boundary, repeated confidence interval, sequential p-value.

    Statistics are taken as normal. The p-value inverts the whole family of designs in alpha: it is the smallest level
    whose boundary (recomputed with that level) Z reaches. Designs are solved once per distinct schedule, at a grid of
    levels, and the p-value is interpolated between them: within 0.1 % of itself below 0.3 and 0.2 % above, and always
    on the right side of alpha. A p-value above 0.99 (one-sided: 0.998) may be given as 1.

    Parameters
    ----------
    effect, se : array_like, shape (..., looks)
        Effect and its standard error at each look, from all data so far.
    information_fraction : array_like, shape (..., looks)
        See `python_stats.spending_boundaries`; NaN where there is no look.
    alpha : array_like, shape (...), default 0.05
        Level of the whole test.
    alternative : array_like of str, shape (...)
        ``"two_sided"``, or ``"greater"`` or ``"less"``, which spend alpha on one side.
    spending, parameter : array_like, shape (...)
        Spending function, see `python_stats.alpha_spending`.
    design : array_like of str, shape (...), default "per_side"
        ``"per_side"`` or ``"symmetric"``, for the two-sided alternative.
    null : array_like, shape (...)
        Value of the effect under the null hypothesis.
    spending_time : array_like, shape (..., looks), optional
        Clock by which alpha is spent, where it is not the information; see
        `python_stats.spending_boundaries`.

    Returns
    -------
    RepeatedLooks
        A look without an effect, with a standard error that is not positive and finite, or without a boundary is NaN
        and crosses nothing. A p-value is 1 where Z is below the boundary of every level.

    Raises
    ------
    UnknownDesignError, UnknownSpendingError, SpendingParameterError, AlphaError, UnknownAlternativeError
        For wrong arguments; all are ValueErrors.

    References
    ----------
    Jennison, C. and Turnbull, B. W. (1989). Interim analyses: the repeated confidence interval approach. JRSS B 51,
    305-361. Liu, Q. and Anderson, K. M. (2008). On adaptive extensions of group sequential trials for clinical
    investigations. JASA 103, 1621-1630 (sequential p-values).

    Examples
    --------
    >>> result = repeated_looks([0.9, 0.8, 0.7], [0.4, 0.25, 0.2], [0.3, 0.7, 1.0])
    >>> result.statistic.round(2).tolist(), result.z_boundary.round(2).tolist()
    ([2.25, 3.2, 3.5], [3.93, 2.44, 2.0])
    >>> result.sequential_p_value.round(4).tolist(), int(result.first_crossed)
    ([0.3399, 0.009, 0.0005], 1)
    >>> round(float(result.sequential_ci_low[1]), 4), round(float(result.sequential_ci_high[1]), 4)
    (0.1903, 1.4097)
    """
    fraction = np.asarray(information_fraction, dtype=np.float64)
    estimate, spread = np.asarray(effect, dtype=np.float64), np.asarray(se, dtype=np.float64)
    time = fraction if spending_time is None else np.asarray(spending_time, dtype=np.float64)
    if min(fraction.ndim, estimate.ndim, spread.ndim, time.ndim) == 0:
        raise ValueError("effect, se, information_fraction and spending_time need an axis of looks, their last one")
    check_axis("looks", effect=estimate, se=spread, information_fraction=fraction, spending_time=time)
    unknown = ~np.isin(np.asarray(design).astype(np.str_), ("per_side", "symmetric"))
    if np.any(unknown):
        raise UnknownDesignError(
            f"design must be per_side or symmetric (a one-sided alternative makes it one-sided); found {design!r}"
        )
    columns = (
        check_alpha(alpha),
        check_alternative(alternative),
        np.asarray(spending).astype(np.str_),
        np.asarray(np.nan if parameter is None else parameter, dtype=np.float64),
        np.asarray(design).astype(np.str_),
        np.asarray(null, dtype=np.float64),
    )
    arrays = np.broadcast_arrays(estimate, spread, fraction, time, *(column[..., np.newaxis] for column in columns))
    shape = arrays[0].shape
    estimate, spread, fraction, time = (array.reshape(-1, shape[-1]) for array in arrays[:4])
    level, side, spending_, parameter_, design_, null_ = (
        np.ascontiguousarray(array[..., 0]).reshape(-1) for array in arrays[4:]
    )
    two_sided = side == "two_sided"
    sided = np.where(two_sided, design_, "one_sided")
    with np.errstate(all="ignore"):
        known = np.isfinite(estimate) & np.isfinite(null_)[:, np.newaxis]
        usable = np.where(known & np.isfinite(spread) & (spread > 0.0), spread, np.nan)
        z = (estimate - null_[:, np.newaxis]) / usable
        towards = np.where(two_sided[:, np.newaxis], np.abs(z), np.where((side == "less")[:, np.newaxis], -z, z))

    codes = [np.unique(column, return_inverse=True)[1] for column in (spending_, sided)]
    keys = np.ascontiguousarray(
        np.column_stack(
            [np.nan_to_num(fraction, nan=-1.0), np.nan_to_num(time, nan=-1.0), level, np.nan_to_num(parameter_), *codes]
        )
    )
    rows = keys.view(np.dtype((np.void, keys.dtype.itemsize * keys.shape[1]))).ravel()
    _, first, inverse = np.unique(rows, return_index=True, return_inverse=True)

    distinct = _Designs(*(column[first] for column in (fraction, time, level, spending_, parameter_, sided)))
    own = distinct.boundaries(FINE)
    largest = np.full(first.size, -np.inf)
    np.fmax.at(largest, inverse, np.nan_to_num(np.fmax.reduce(towards, axis=1, initial=-np.inf), nan=-np.inf))
    grid, table = _boundaries_by_level(distinct, own.z_boundary, largest)

    boundary = own.z_boundary[inverse]
    with np.errstate(all="ignore"):
        reached_level = _interpolated(np.minimum(towards, _LARGEST), table[inverse], grid[inverse])
        p = np.minimum(1.0, ndtr(-reached_level) * np.where(two_sided, 2.0, 1.0)[:, np.newaxis])
        crosses = towards >= boundary
        threshold = level[:, np.newaxis]
        p = np.where(crosses, np.minimum(p, threshold), np.maximum(p, np.nextafter(threshold, 1.0)))
        low, high = estimate - boundary * usable, estimate + boundary * usable

        new_look, reached_end = own.new_look[inverse], own.information_fraction[inverse] >= 1.0
        end = np.where(np.any(new_look & reached_end, axis=1), np.argmax(new_look & reached_end, axis=1), shape[-1])
        last = np.minimum(end, shape[-1] - 1)[:, np.newaxis]
        looks = np.arange(shape[-1])
        after_end = (looks > end[:, np.newaxis]) & np.isnan(boundary)
        after_end &= fraction > np.take_along_axis(fraction, last, axis=1)
        low, high = (np.where(after_end, np.take_along_axis(limit, last, axis=1), limit) for limit in (low, high))
    known = ~np.isnan(low)
    low = np.where((side == "less")[:, np.newaxis] & known, -np.inf, low)
    high = np.where((side == "greater")[:, np.newaxis] & known, np.inf, high)
    crossed = np.logical_or.accumulate(crosses, axis=1)
    return RepeatedLooks(
        statistic=z.reshape(shape),
        information_fraction=own.information_fraction[inverse].reshape(shape),
        over_planned=own.over_planned[inverse].reshape(shape),
        z_boundary=boundary.reshape(shape),
        cumulative_alpha=own.cumulative_alpha[inverse].reshape(shape),
        repeated_p_value=p.reshape(shape),
        sequential_p_value=running_minimum(p).reshape(shape),
        sequential_ci_low=low.reshape(shape),
        sequential_ci_high=high.reshape(shape),
        crossed=crossed.reshape(shape),
        first_crossed=np.where(crossed[:, -1], np.argmax(crossed, axis=1), -1).reshape(shape[:-1]),
        after_end=after_end.reshape(shape),
    )
