"""Geometric means of two arms: Welch's t on the logarithms, read as a ratio and as a difference."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from python_stats.arguments import FROM_MOMENTS, takes_summaries
from python_stats.lift import Lift
from python_stats.means.welch import welch_t
from python_stats.wald import Comparison, wald


class GeometricComparison(NamedTuple):
    """A comparison of geometric means, one element per cell.

    Attributes
    ----------
    comparison : Comparison
        The difference of geometric means with its delta-method interval; statistic, degrees of freedom and p-value are
        those of the logarithms.
    lift : Lift
        Ratio of geometric means minus 1, with the limits of the logarithms' interval, which excludes 0 exactly when the
        p-value is at most alpha.
    mean_control, mean_treatment : ndarray
        Geometric means, in the metric's unit.
    """

    comparison: Comparison
    lift: Lift
    mean_control: NDArray[np.float64]
    mean_treatment: NDArray[np.float64]


@takes_summaries("the mean and variance of the logarithms of the values and the number of units", FROM_MOMENTS)
def geometric_means(
    mean_log_control: npt.ArrayLike,
    var_log_control: npt.ArrayLike,
    n_control: npt.ArrayLike,
    mean_log_treatment: npt.ArrayLike,
    var_log_treatment: npt.ArrayLike,
    n_treatment: npt.ArrayLike,
    *,
    alpha: npt.ArrayLike = 0.05,
    alternative: npt.ArrayLike = "two_sided",
) -> GeometricComparison:
    """Compare the geometric means of two arms from the moments of the natural logarithms.

    With G the exponential of an arm's mean logarithm, ``log(G_t / G_c)`` is a difference of means: Welch's t test and
    interval apply to it, and the exponentials of the limits are the limits of the ratio. The difference ``G_t - G_c``
    has the delta-method variance ``G_c**2 * v_c + G_t**2 * v_t`` (v: variances of the mean logarithms) and a symmetric
    interval; near alpha it may include 0 where the test rejects. The test of the logarithms decides.

    Parameters
    ----------
    mean_log_control, mean_log_treatment : array_like
        Means of the natural logarithms of the units' values.
    var_log_control, var_log_treatment : array_like
        Their variances, divisor ``n - 1``.
    n_control, n_treatment : array_like
        Units in the arms.
    alpha, alternative : array_like
        As in `python_stats.wald`.

    Returns
    -------
    GeometricComparison
        Arrays of the common shape. Where an arm has fewer than two units, a moment is missing or neither arm varies,
        everything but the means, the effect and the lift is NaN (the standard error is 0 in the last case). A mean or
        a lift beyond the range of doubles is NaN with what rests on it; the test of the logarithms stands.

    Raises
    ------
    AlphaError, UnknownAlternativeError
        For wrong arguments; both are ValueErrors.

    References
    ----------
    Bland, J. M. and Altman, D. G. (1996). The use of transformation when comparing two means. BMJ 312, 1153.

    Examples
    --------
    >>> import math
    >>> result = geometric_means(math.log(10), 1.0, 50, math.log(12), 1.0, 50)
    >>> round(float(result.lift.lift), 6), round(float(result.lift.ci_low), 6), round(float(result.lift.ci_high), 6)
    (0.2, -0.193113, 0.784637)
    >>> round(float(result.comparison.effect), 6), round(float(result.comparison.p_value), 6)
    (2.0, 0.364212)
    """
    plan = {"alpha": alpha, "alternative": alternative}
    logs = welch_t(
        mean_log_control, var_log_control, n_control, mean_log_treatment, var_log_treatment, n_treatment, **plan
    )
    with np.errstate(all="ignore"):
        means, spread = [], np.zeros(())
        for mean, var, n in (
            (mean_log_control, var_log_control, n_control),
            (mean_log_treatment, var_log_treatment, n_treatment),
        ):
            geometric = np.exp(np.asarray(mean, dtype=np.float64))
            geometric = np.where(np.isinf(geometric), np.nan, geometric)
            means.append(np.broadcast_to(geometric, logs.effect.shape).copy())
            spread = spread + geometric**2 * np.asarray(var, dtype=np.float64) / np.asarray(n, dtype=np.float64)
        # Where the logarithms have no test, the difference has none either.
        se = np.where(np.isnan(logs.p_value), np.where(logs.se == 0.0, 0.0, np.nan), np.sqrt(spread))
        difference = wald(means[1] - means[0], se, logs.df, **plan)
        # A limit beyond the range of doubles is unknown; an open one stays open.
        ratio, low, high = (np.expm1(x) for x in (logs.effect, logs.ci_low, logs.ci_high))
        unknown = np.isnan(logs.p_value) | np.isinf(ratio) | (np.isinf(high) & ~np.isposinf(logs.ci_high))
        lift = Lift(
            lift=np.where(np.isfinite(ratio) & np.isfinite(logs.effect), ratio, np.nan),
            se=np.where(unknown, np.nan, np.exp(logs.effect) * logs.se),
            ci_low=np.where(unknown, np.nan, np.where(np.isneginf(logs.ci_low), -np.inf, low)),
            ci_high=np.where(unknown, np.nan, high),
            method=np.where(unknown, "undefined", "log_t"),
        )
    comparison = difference._replace(statistic=logs.statistic, df=logs.df, p_value=logs.p_value)
    return GeometricComparison(comparison, lift, *means)
