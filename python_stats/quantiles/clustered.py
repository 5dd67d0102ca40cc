"""Quantiles of values that come in clusters (events of a unit, units of a cluster), and their differences.

The share of values below the quantile is a ratio of cluster totals: its cluster-robust variance, turned into ranks,
says how far apart the order statistics lie that bound the quantile.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray
from scipy.special import stdtr

from python_stats.arguments import takes_summaries
from python_stats.quantiles.index_comparison import QuantileComparison, QuantileInterval, interval_between
from python_stats.quantiles.order_statistics import Windows, check_definition, flatten, spacing_error, variance_of_share
from python_stats.t_quantile import t_quantile
from python_stats.wald import check_alpha, wald


def clustered_quantile_interval(
    n: npt.ArrayLike,
    q: npt.ArrayLike,
    variance_below: npt.ArrayLike,
    first_rank: npt.ArrayLike,
    values: npt.ArrayLike,
    *,
    df: npt.ArrayLike = np.inf,
    alpha: npt.ArrayLike = 0.05,
    definition: int = 7,
) -> QuantileInterval:
    """Interval of a quantile of events when the unit of randomisation holds many events: the outer interval.

    The share of events below the quantile is a ratio of unit totals, so its standard deviation ``s`` comes from the
    delta method; the limits are the order statistics at ``floor(n (q - z s))`` and ``ceil(n (q + z s)) + 1``, rounded
    outwards; ``z`` is a quantile of Student's t where degrees of freedom are given. With independent events
    (``variance_below = q (1 - q) / n``) these are the normal approximation to the ranks of `quantile_interval`. Fetch
    the window with its ``design_effect`` or the limits may lie outside it.

    Parameters
    ----------
    n : array_like
        Number of events in the cell.
    q, first_rank, values : array_like
        As in `sample_quantile`, over events.
    variance_below : array_like
        Cluster-robust variance of the mean over events of the indicator "value <= sample quantile".
    df : array_like, default inf
        Degrees of freedom of that variance; infinite means the normal distribution.
    alpha : array_like, default 0.05
        One minus the confidence, one or one per cell.
    definition : {1, 2, 6, 7, 8}, default 7
        Definition of the estimate.

    Returns
    -------
    QuantileInterval
        Arrays of the cells' shape; ``coverage`` is the nominal one (normal or t) of the two ranks.

    Raises
    ------
    QuantileArgumentError, AlphaError
        For wrong arguments; both are ValueErrors.

    References
    ----------
    Deng, A., Knoblich, U. and Lu, J. (2018). Applying the delta method in metric analytics. KDD 2018, section 4.

    Examples
    --------
    >>> interval = clustered_quantile_interval(100, 0.5, 4 * 0.25 / 100, 1, range(1, 101))
    >>> float(interval.ci_low), float(interval.ci_high), round(float(interval.se), 6)
    (30.0, 71.0, 10.0)
    """
    check_definition(definition)
    level = check_alpha(alpha)
    variance_below, degrees = (np.asarray(x, dtype=np.float64) for x in (variance_below, df))
    windows, shape = flatten(n, q, first_rank, values, level, variance_below, degrees)
    variance = variance_of_share(windows, variance_below, shape)
    tail = np.broadcast_to(level, shape).ravel() / 2.0
    degrees = np.broadcast_to(degrees, shape).ravel()
    low, high = _outer_ranks(windows, variance, t_quantile(degrees, tail))
    with np.errstate(all="ignore"):
        spread = np.where(variance > 0.0, np.sqrt(variance), np.nan)
        z_high, z_low = (((rank / windows.n) - windows.q) / spread for rank in (high - 1.0, low))
        coverage = stdtr(degrees, z_high) - stdtr(degrees, z_low)
    return interval_between(windows, shape, low, high, coverage, spacing_error(windows, variance), definition)


@takes_summaries("a window of order statistics", "order_statistic_window says which")
def clustered_quantile_difference(
    n_control: npt.ArrayLike,
    variance_below_control: npt.ArrayLike,
    first_rank_control: npt.ArrayLike,
    values_control: npt.ArrayLike,
    n_treatment: npt.ArrayLike,
    variance_below_treatment: npt.ArrayLike,
    first_rank_treatment: npt.ArrayLike,
    values_treatment: npt.ArrayLike,
    q: npt.ArrayLike,
    *,
    df: npt.ArrayLike = np.inf,
    alpha: npt.ArrayLike = 0.05,
    alternative: npt.ArrayLike = "two_sided",
    definition: int = 7,
) -> QuantileComparison:
    """Difference of a quantile of clustered events between two arms, from spacings and a Wald test.

    The index bootstrap resamples values, so it holds for independent values only. Here each arm's standard error comes
    from `quantile_standard_error` with the cluster-robust variance of the share of events below the quantile, and the
    difference is tested by a normal reference, or Student's t with few clusters. Refused where an arm's outer interval
    is.

    Parameters
    ----------
    n_control, n_treatment : array_like
        Number of events per arm and cell.
    variance_below_control, variance_below_treatment : array_like
        Cluster-robust (delta-method) variance of the mean of the indicator "value <= the arm's sample quantile".
    first_rank_control, first_rank_treatment, values_control, values_treatment, q : array_like
        As in `quantile_difference`, over events.
    df : array_like, default inf
        Degrees of freedom of the difference's variance (Bell and McCaffrey's, of the share of events below), which also
        widen the arms' outer intervals; infinite means the normal distribution.
    alpha, alternative, definition
        As in `quantile_difference`.

    Returns
    -------
    QuantileComparison
        Arrays of the cells' shape. The lift's limits are NaN: take them from the two arms' quantiles and standard
        errors by the delta method on the log scale or Fieller's method.

    Raises
    ------
    QuantileArgumentError, AlphaError, UnknownAlternativeError
        For wrong arguments; all are ValueErrors.

    References
    ----------
    Deng, A., Knoblich, U. and Lu, J. (2018). Applying the delta method in metric analytics. KDD 2018, section 4.

    Examples
    --------
    >>> control, treatment = range(1, 101), range(31, 131)
    >>> result = clustered_quantile_difference(100, 0.005, 1, control, 100, 0.005, 1, treatment, 0.5)
    >>> float(result.effect), round(float(result.se), 6), round(float(result.p_value), 6)
    (30.0, 10.0, 0.0027)
    """
    arms = (
        (n_control, variance_below_control, first_rank_control, values_control),
        (n_treatment, variance_below_treatment, first_rank_treatment, values_treatment),
    )
    control, treatment = (
        clustered_quantile_interval(n, q, variance, first, values, df=df, alpha=alpha, definition=definition)
        for n, variance, first, values in arms
    )
    effect = treatment.estimate - control.estimate
    undefined = control.undefined | treatment.undefined | np.isnan(effect)
    with np.errstate(all="ignore"):
        lift = effect / np.where(control.estimate != 0.0, np.abs(control.estimate), np.nan)
        se = np.where(undefined, np.nan, np.hypot(control.se, treatment.se))
    result = wald(effect, se, df, alpha=alpha, alternative=alternative)
    shape = result.effect.shape
    missing = np.full(shape, np.nan)
    undefined = np.broadcast_to(undefined, shape) | np.isnan(result.p_value)
    return QuantileComparison(
        effect=result.effect,
        se=result.se,
        p_value=result.p_value,
        ci_low=result.ci_low,
        ci_high=result.ci_high,
        lift=np.broadcast_to(lift, shape).copy(),
        lift_ci_low=missing,
        lift_ci_high=missing.copy(),
        undefined=undefined,
    )


def _outer_ranks(
    windows: Windows, variance: NDArray[np.float64], z: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    with np.errstate(all="ignore"):
        centre, half = windows.n * windows.q, z * windows.n * np.sqrt(variance)
        low = np.maximum(np.floor(centre - half), 0.0)
        return low, np.minimum(np.ceil(centre + half) + 1.0, windows.n + 1.0)
