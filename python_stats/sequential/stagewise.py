"""The final analysis of a group sequential experiment: estimate and interval adjusted for having stopped early."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray
from scipy.special import ndtri

from python_stats.arguments import check_axis
from python_stats.sequential.group_sequential import LEAST_INCREMENT
from python_stats.sequential.recursive_integration import crossing_probability
from python_stats.wald import check_alternative, tail_alpha


class StagewiseInterval(NamedTuple):
    """Inference after stopping, one element per experiment.

    Attributes
    ----------
    adjusted_p_value : ndarray
        Probability under the null of an outcome at least as extreme in the stagewise ordering.
    adjusted_estimate : ndarray
        Median-unbiased estimate of the effect, in the metric's unit. The plain estimate is too large on average when an
        experiment stopped because it was large.
    adjusted_ci_low, adjusted_ci_high : ndarray
        Limits of the interval with coverage ``1 - alpha``; one is infinite for a one-sided alternative.
    """

    adjusted_p_value: NDArray[np.float64]
    adjusted_estimate: NDArray[np.float64]
    adjusted_ci_low: NDArray[np.float64]
    adjusted_ci_high: NDArray[np.float64]


def _informative_looks(
    fraction: NDArray[np.float64], boundary: NDArray[np.float64], stop: NDArray[np.intp]
) -> tuple[NDArray[np.bool_], NDArray[np.intp]]:
    """Mark the looks up to the stop at which a path could end, and find the last of them, which stands for the stop."""
    keep = np.zeros(fraction.shape, dtype=bool)
    last_fraction, last = np.zeros(fraction.shape[0]), np.full(fraction.shape[0], -1)
    for look in range(fraction.shape[1]):
        t = fraction[:, look]
        with np.errstate(all="ignore"):
            new = np.isfinite(t) & (t > 0.0) & (t >= last_fraction * (1.0 + LEAST_INCREMENT)) & (look <= stop)
        new &= ~np.isnan(boundary[:, look]) | (look == stop)
        keep[:, look] = new
        last_fraction, last = np.where(new, t, last_fraction), np.where(new, look, last)
    return keep, last


def stagewise_interval(
    effect: npt.ArrayLike,
    se: npt.ArrayLike,
    information_fraction: npt.ArrayLike,
    z_boundary: npt.ArrayLike,
    stopped_at: npt.ArrayLike,
    *,
    alpha: npt.ArrayLike = 0.05,
    alternative: npt.ArrayLike = "two_sided",
    null: npt.ArrayLike = 0.0,
) -> StagewiseInterval:
    """Adjust p-value, estimate and confidence interval for the looks before the one at which the experiment stopped.

    Outcomes are ordered by stage: crossing the upper boundary is more extreme the earlier it happens, and at the same
    look by Z; not crossing at the last look comes between the two boundaries. With ``P(d)`` the probability of an
    outcome at least as extreme when the effect is d, the estimate solves ``P = 1/2`` and the limits ``P = alpha/2`` and
    ``1 - alpha/2`` (one-sided: ``P = alpha``). Use it once, at the look at which the experiment ended, because the
    boundary was reached or because it was the last; in between, read `python_stats.repeated_looks`. This
    ordering does not depend on looks after the stop.

    Parameters
    ----------
    effect, se : array_like, shape (..., looks)
        Effect and standard error at each look; only the values at the stop are used.
    information_fraction, z_boundary : array_like, shape (..., looks)
        The schedule and the boundaries used, as from `python_stats.spending_boundaries`: on ``|Z|``
        for the two-sided alternative, on the side of the alternative otherwise. Looks without either are no looks.
    stopped_at : array_like of int, shape (...)
        Index of the look at which the experiment ended; -1 when it has not.
    alpha : array_like, shape (...), default 0.05
        One minus the coverage.
    alternative : array_like of str, shape (...)
        ``"two_sided"``, ``"greater"`` or ``"less"``.
    null : array_like, shape (...)
        Value of the effect for the p-value.

    Returns
    -------
    StagewiseInterval
        NaN where the experiment has not ended, or where effect, standard error or information at the stop are missing.

    Raises
    ------
    AlphaError, UnknownAlternativeError
        For wrong arguments; both are ValueErrors. IndexError when ``stopped_at`` is not a look.

    References
    ----------
    Tsiatis, A. A., Rosner, G. L. and Mehta, C. R. (1984). Exact confidence intervals following a group sequential test.
    Biometrics 40, 797-803. Jennison, C. and Turnbull, B. W. (2000). Group sequential methods with applications to
    clinical trials, sections 8.4 and 8.5.

    Examples
    --------
    >>> from python_stats.sequential.group_sequential import spending_boundaries
    >>> t = [0.3, 0.7, 1.0]
    >>> z = spending_boundaries(t).z_boundary
    >>> end = stagewise_interval([0.9, 0.8, np.nan], [0.4, 0.25, np.nan], t, z, 1)
    >>> round(float(end.adjusted_p_value), 5), round(float(end.adjusted_estimate), 3)
    (0.00144, 0.799)
    >>> round(float(end.adjusted_ci_low), 3), round(float(end.adjusted_ci_high), 3)
    (0.309, 1.29)
    """
    fraction, boundary = (np.asarray(x, dtype=np.float64) for x in (information_fraction, z_boundary))
    per_look = [np.asarray(effect, dtype=np.float64), np.asarray(se, dtype=np.float64), fraction, boundary]
    check_axis("looks", effect=effect, se=se, information_fraction=fraction, z_boundary=boundary)
    tail = tail_alpha(alpha, alternative)
    stopped = np.asarray(stopped_at)
    per_row = [
        stopped if stopped.size else stopped.astype(np.intp),
        tail,
        check_alternative(alternative),
        np.asarray(null, dtype=np.float64),
    ]
    arrays = np.broadcast_arrays(*per_look, *(row[..., np.newaxis] for row in per_row))
    shape = arrays[0].shape
    estimate, spread, fraction, boundary = (array.reshape(-1, shape[-1]) for array in arrays[:4])
    stop, tail, side, null_ = (array[..., 0].reshape(-1) for array in arrays[4:])
    if np.any(stop >= shape[-1]) or np.any(stop < -1):
        raise IndexError("stopped_at must be the index of a look, or -1")

    keep, last = _informative_looks(fraction, boundary, stop)
    column = np.maximum(stop, 0)[:, np.newaxis]
    estimate, spread, t = (
        np.take_along_axis(x, at, axis=1)[:, 0]
        for x, at in ((estimate, column), (spread, column), (fraction, np.maximum(last, 0)[:, np.newaxis]))
    )
    at_stop = np.take_along_axis(fraction, column, axis=1)[:, 0]
    with np.errstate(all="ignore"):
        usable = np.where(np.isfinite(spread) & (spread > 0.0), spread, np.nan)
        z = (estimate - null_) / usable
    two_sided = side == "two_sided"
    # The lower side is the upper one of the mirrored experiment.
    mirrored = (side == "less") | (two_sided & (z < 0.0))
    z = np.where(mirrored, -z, z)
    rows = np.flatnonzero((stop >= 0) & (last >= 0) & np.isfinite(z) & np.isfinite(at_stop) & (at_stop > 0.0))

    upper = np.where(keep, boundary, np.nan)
    upper[rows, last[rows]] = z[rows]
    lower = np.where(two_sided[:, np.newaxis], -boundary, -np.inf)
    # Nobody goes on after the stop, so its lower edge is not needed; it must only not be missing.
    lower[rows, last[rows]] = -np.inf

    def extreme(which: NDArray[np.intp], drift: NDArray[np.float64]) -> NDArray[np.float64]:
        crossing = crossing_probability(fraction[which], upper[which], lower[which], drift=drift)
        return np.nansum(crossing.upper, axis=1)

    def drift_at(which: NDArray[np.intp], target: NDArray[np.float64]) -> NDArray[np.float64]:
        """Drift under which an outcome as extreme has the probability of this normal quantile."""
        root = np.sqrt(t[which])
        drift = (z[which] + target) / root
        low, high = np.full(which.size, -np.inf), np.full(which.size, np.inf)
        slope = root.copy()
        before, error_before = drift.copy(), np.full(which.size, np.nan)
        open_ = np.arange(which.size)
        for _ in range(80):
            with np.errstate(all="ignore"):
                error = ndtri(extreme(which[open_], drift[open_])) - target[open_]
                secant = (error - error_before[open_]) / (drift[open_] - before[open_])
                slope[open_] = np.where(np.isfinite(secant) & (secant > 0.0), secant, slope[open_])
                high[open_] = np.where(error > 0.0, drift[open_], high[open_])
                low[open_] = np.where(error < 0.0, drift[open_], low[open_])
                step = np.clip(error / slope[open_], -2.0 / root[open_], 2.0 / root[open_])
                proposal = drift[open_] - step
                inside = (proposal > low[open_]) & (proposal < high[open_])
                middle = 0.5 * (low[open_] + high[open_])
                proposal = np.where(inside | ~np.isfinite(middle) | (error == 0.0), proposal, middle)
            before[open_], error_before[open_] = drift[open_], error
            moved = np.abs(proposal - drift[open_]) * root[open_]
            drift[open_] = proposal
            open_ = open_[moved > 1e-8]
            if open_.size == 0:
                break
        return drift

    p, centre, near, far = np.full((4, stop.size), np.nan)
    if rows.size:
        under_null = extreme(rows, np.zeros(rows.size))
        p[rows] = np.where(two_sided[rows], np.minimum(1.0, 2.0 * np.minimum(under_null, 1.0 - under_null)), under_null)
        quantile = ndtri(tail[rows])
        drifts = drift_at(np.tile(rows, 3), np.concatenate([quantile, np.zeros(rows.size), -quantile]))
        near[rows], centre[rows], far[rows] = drifts.reshape(3, -1)
    sign = np.where(mirrored, -1.0, 1.0)
    with np.errstate(all="ignore"):
        unit = sign * usable * np.sqrt(t)
        centre, near, far = (null_ + drift * unit for drift in (centre, near, far))
    known = ~np.isnan(centre)
    low = np.where((side == "less") & known, -np.inf, np.where(mirrored, far, near))
    high = np.where((side == "greater") & known, np.inf, np.where(mirrored, near, far))
    return StagewiseInterval(*(x.reshape(shape[:-1]) for x in (p, centre, low, high)))
