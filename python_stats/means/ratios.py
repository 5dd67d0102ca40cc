"""Ratios of sums (clicks per search, revenue per session) in two independent arms, from moments of unit totals."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from python_stats.arguments import FROM_TWO_COLUMNS, takes_summaries
from python_stats.means.welch import ROUNDING, variance_above_rounding
from python_stats.wald import Comparison, wald


def linearised_variance(
    mean_num: npt.ArrayLike,
    mean_den: npt.ArrayLike,
    var_num: npt.ArrayLike,
    var_den: npt.ArrayLike,
    cov_num_den: npt.ArrayLike,
) -> NDArray[np.float64]:
    """Delta-method variance of one unit's contribution to a ratio of sums.

    It is the variance of ``(num - R * den) / mean_den`` over the units, ``R = mean_num / mean_den``: divided by the
    arm's number of units it is the variance of the arm's ratio. Both variances and the covariance must have the divisor
    ``n - 1``; the result then agrees with linearisation in survey statistics (R's ``svyratio``). Tools that divide by
    ``n`` are smaller by the factor ``(n - 1) / n``.

    Parameters
    ----------
    mean_num, mean_den : array_like
        Means per unit of numerator and denominator totals.
    var_num, var_den, cov_num_den : array_like
        Sample variances and covariance of the units' totals (divisor ``n - 1``).

    Returns
    -------
    ndarray
        Unit variance, in the squared unit of the ratio; NaN where the mean of the denominator is zero or anything is
        missing; 0 where what is left of the variance is rounding residue (a numerator proportional to the denominator).

    References
    ----------
    Cochran, W. G. (1977). Sampling Techniques, 3rd ed., section 2.11 and chapter 6.
    Deng, A., Knoblich, U. and Lu, J. (2018). Applying the delta method in metric analytics. KDD 2018.

    Examples
    --------
    >>> round(float(linearised_variance(2.0, 4.0, 3.0, 5.0, 2.5)), 6)
    0.109375
    """
    num, den, spread_num, spread_den, covariance = (
        np.asarray(x, dtype=np.float64) for x in (mean_num, mean_den, var_num, var_den, cov_num_den)
    )
    with np.errstate(all="ignore"):
        base = np.where((den == 0.0) | np.isinf(den), np.nan, den)
        ratio = num / base
        parts = spread_num + ratio**2 * spread_den
        left = parts - 2.0 * ratio * covariance
        left = np.where((np.abs(left) <= ROUNDING * parts) & np.isfinite(parts), 0.0, left)
        return variance_above_rounding(left / base**2, ratio)


@takes_summaries("means, variances, covariance and units of numerator and denominator", FROM_TWO_COLUMNS)
def ratio_difference(
    mean_num_control: npt.ArrayLike,
    mean_den_control: npt.ArrayLike,
    var_num_control: npt.ArrayLike,
    var_den_control: npt.ArrayLike,
    cov_num_den_control: npt.ArrayLike,
    n_control: npt.ArrayLike,
    mean_num_treatment: npt.ArrayLike,
    mean_den_treatment: npt.ArrayLike,
    var_num_treatment: npt.ArrayLike,
    var_den_treatment: npt.ArrayLike,
    cov_num_den_treatment: npt.ArrayLike,
    n_treatment: npt.ArrayLike,
    *,
    alpha: npt.ArrayLike = 0.05,
    alternative: npt.ArrayLike = "two_sided",
    null: npt.ArrayLike = 0.0,
) -> Comparison:
    """Difference of two ratios of sums by the delta method, with a normal reference.

    The ratio of an arm is ``sum(num) / sum(den)`` over its units, not the mean of the units' own ratios. Units are the
    units of randomisation, so what happens inside a unit (its sessions) may be correlated in any way.

    Parameters
    ----------
    mean_num_control, mean_den_control, mean_num_treatment, mean_den_treatment : array_like
        Means per unit of numerator and denominator totals; units without outcomes count as zeros.
    var_num_control, var_den_control, var_num_treatment, var_den_treatment : array_like
        Sample variances (divisor ``n - 1``).
    cov_num_den_control, cov_num_den_treatment : array_like
        Sample covariances of numerator and denominator, with the same divisor.
    n_control, n_treatment : array_like
        Units in the arms.
    alpha, alternative, null : array_like
        As in `python_stats.wald`.

    Returns
    -------
    Comparison
        Arrays of the common shape. The effect is NaN where an arm's denominator sums to zero; everything but the effect
        is NaN where an arm has fewer than two units, a moment is missing or both variances are zero.

    Raises
    ------
    AlphaError, UnknownAlternativeError
        For wrong arguments; both are ValueErrors.

    References
    ----------
    Deng, A., Knoblich, U. and Lu, J. (2018). Applying the delta method in metric analytics. KDD 2018.

    Examples
    --------
    >>> result = ratio_difference(2.0, 4.0, 3.0, 5.0, 2.5, 100, 2.4, 4.0, 3.0, 5.0, 2.5, 100)
    >>> round(float(result.effect), 6), round(float(result.se), 6), round(float(result.p_value), 6)
    (0.1, 0.047104, 0.033756)
    """
    with np.errstate(all="ignore"):
        ratios, parts = [], []
        for num, den, var_num, var_den, cov, n in (
            (mean_num_control, mean_den_control, var_num_control, var_den_control, cov_num_den_control, n_control),
            (
                mean_num_treatment,
                mean_den_treatment,
                var_num_treatment,
                var_den_treatment,
                cov_num_den_treatment,
                n_treatment,
            ),
        ):
            base, size = np.asarray(den, dtype=np.float64), np.asarray(n, dtype=np.float64)
            ratios.append(np.asarray(num, dtype=np.float64) / np.where(base == 0.0, np.nan, base))
            unit_variance = linearised_variance(num, den, var_num, var_den, cov)
            parts.append(unit_variance / np.where(np.isfinite(size) & (size >= 2.0), size, np.nan))
        se = np.sqrt(parts[0] + parts[1])
        return wald(ratios[1] - ratios[0], se, alpha=alpha, alternative=alternative, null=null)
