"""Means of two independent arms, from their moments."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray
from scipy.special import gammaln

from python_stats.arguments import FROM_MOMENTS, takes_summaries
from python_stats.wald import Comparison, wald

# A standard deviation this small beside the mean is what a sum of equal numbers leaves behind in double precision.
ROUNDING = 1e-12


def variance_above_rounding(variance: npt.ArrayLike, mean: npt.ArrayLike) -> NDArray[np.float64]:
    """Variance with the rounding residue of a constant column set to exactly zero.

    A column whose values are all 0.1 leaves a standard deviation near 1e-17 in an engine's running sums, and with it a
    finite, meaningless t statistic. A standard deviation below ``1e-12 * |mean|`` is taken as such a residue.

    Parameters
    ----------
    variance, mean : array_like
        Sample variance and mean of a cell; they broadcast.

    Returns
    -------
    ndarray
        The variance; 0 where it is rounding residue, NaN where it is negative or not finite.

    Examples
    --------
    >>> variance_above_rounding([1e-33, 4.0], [0.1, 0.1]).tolist()
    [0.0, 4.0]
    """
    spread, centre = np.asarray(variance, dtype=np.float64), np.asarray(mean, dtype=np.float64)
    with np.errstate(all="ignore"):
        usable = np.where(np.isfinite(spread) & (spread >= 0.0), spread, np.nan)
        return np.where(np.sqrt(usable) <= ROUNDING * np.abs(centre), 0.0, usable)


def _arm(mean: npt.ArrayLike, var: npt.ArrayLike, n: npt.ArrayLike) -> tuple[NDArray[np.float64], ...]:
    """Mean, variance and size of an arm, the last two NaN where the arm has fewer than two units."""
    mean_ = np.asarray(mean, dtype=np.float64)
    size = np.asarray(n, dtype=np.float64)
    size = np.where(np.isfinite(size) & (size >= 2.0), size, np.nan)
    return mean_, variance_above_rounding(var, mean_), size


@takes_summaries("the mean, variance and number of units", FROM_MOMENTS)
def welch_t(
    mean_control: npt.ArrayLike,
    var_control: npt.ArrayLike,
    n_control: npt.ArrayLike,
    mean_treatment: npt.ArrayLike,
    var_treatment: npt.ArrayLike,
    n_treatment: npt.ArrayLike,
    *,
    alpha: npt.ArrayLike = 0.05,
    alternative: npt.ArrayLike = "two_sided",
    null: npt.ArrayLike = 0.0,
) -> Comparison:
    """Welch's t test of the difference of two means, with Welch-Satterthwaite degrees of freedom.

    The variances of the arms may differ. The degrees of freedom are those of Welch (1947) and Satterthwaite (1946) with
    ``n - 1`` (R's ``t.test``), not Welch's own later ``n + 1`` version.

    Parameters
    ----------
    mean_control, mean_treatment : array_like
        Means of the arms, in the metric's unit.
    var_control, var_treatment : array_like
        Sample variances of the units (divisor ``n - 1``).
    n_control, n_treatment : array_like
        Units in the arms.
    alpha, alternative, null : array_like
        As in `python_stats.wald`.

    Returns
    -------
    Comparison
        Arrays of the common shape. Where an arm has fewer than two units, a variance is missing or negative, or both
        variances are zero, everything but the effect is NaN (the standard error is 0 in the last case).

    Raises
    ------
    AlphaError, UnknownAlternativeError
        For wrong arguments; both are ValueErrors.

    References
    ----------
    Welch, B. L. (1947). The generalization of "Student's" problem when several different population variances are
    involved. Biometrika 34, 28-35.
    Satterthwaite, F. E. (1946). An approximate distribution of estimates of variance components. Biometrics Bulletin 2,
    110-114.

    Examples
    --------
    >>> result = welch_t(10.0, 4.0, 50, 11.0, 9.0, 40)
    >>> round(float(result.statistic), 6), round(float(result.df), 4), round(float(result.p_value), 6)
    (1.810715, 65.1121, 0.074799)
    """
    mean_c, var_c, n_c = _arm(mean_control, var_control, n_control)
    mean_t, var_t, n_t = _arm(mean_treatment, var_treatment, n_treatment)
    with np.errstate(all="ignore"):
        part_c, part_t = var_c / n_c, var_t / n_t
        total = part_c + part_t
        share = part_c / total
        df = 1.0 / (share**2 / (n_c - 1.0) + (1.0 - share) ** 2 / (n_t - 1.0))
        return wald(mean_t - mean_c, np.sqrt(total), df, alpha=alpha, alternative=alternative, null=null)


@takes_summaries("the mean, variance and number of units", FROM_MOMENTS)
def pooled_t(
    mean_control: npt.ArrayLike,
    var_control: npt.ArrayLike,
    n_control: npt.ArrayLike,
    mean_treatment: npt.ArrayLike,
    var_treatment: npt.ArrayLike,
    n_treatment: npt.ArrayLike,
    *,
    alpha: npt.ArrayLike = 0.05,
    alternative: npt.ArrayLike = "two_sided",
    null: npt.ArrayLike = 0.0,
) -> Comparison:
    """Student's t test of the difference of two means with one pooled variance.

    Right only when both arms have the same variance; with unequal sizes and variances its level is off, so `welch_t` is
    the default of this package. (It is the default of scipy's ``ttest_ind``.)

    Parameters
    ----------
    mean_control, mean_treatment : array_like
        Means of the arms, in the metric's unit.
    var_control, var_treatment : array_like
        Sample variances of the units (divisor ``n - 1``).
    n_control, n_treatment : array_like
        Units in the arms.
    alpha, alternative, null : array_like
        As in `python_stats.wald`.

    Returns
    -------
    Comparison
        Arrays of the common shape, with ``n_control + n_treatment - 2`` degrees of freedom; NaN as in `welch_t`.

    Raises
    ------
    AlphaError, UnknownAlternativeError
        For wrong arguments; both are ValueErrors.

    References
    ----------
    Student (1908). The probable error of a mean. Biometrika 6, 1-25.

    Examples
    --------
    >>> result = pooled_t(10.0, 4.0, 50, 11.0, 9.0, 40)
    >>> round(float(result.statistic), 6), float(result.df)
    (1.890782, 88.0)
    """
    mean_c, _, n_c = _arm(mean_control, var_control, n_control)
    mean_t, _, n_t = _arm(mean_treatment, var_treatment, n_treatment)
    spread = _pooled_sd(mean_control, var_control, n_control, mean_treatment, var_treatment, n_treatment)
    with np.errstate(all="ignore"):
        se = spread * np.sqrt(1.0 / n_c + 1.0 / n_t)
        return wald(mean_t - mean_c, se, n_c + n_t - 2.0, alpha=alpha, alternative=alternative, null=null)


@takes_summaries("the mean, variance and number of units", FROM_MOMENTS)
def cohen_d(
    mean_control: npt.ArrayLike,
    var_control: npt.ArrayLike,
    n_control: npt.ArrayLike,
    mean_treatment: npt.ArrayLike,
    var_treatment: npt.ArrayLike,
    n_treatment: npt.ArrayLike,
    *,
    bias_corrected: bool = False,
) -> NDArray[np.float64]:
    """Cohen's d: the difference of the means in units of the pooled standard deviation.

    The standard deviation pools the sums of squares over ``n_control + n_treatment - 2``; it is neither the control's
    (Glass) nor the root of the average variance.

    Parameters
    ----------
    mean_control, mean_treatment : array_like
        Means of the arms, in the metric's unit.
    var_control, var_treatment : array_like
        Sample variances of the units (divisor ``n - 1``).
    n_control, n_treatment : array_like
        Units in the arms.
    bias_corrected : bool, default False
        Multiply by Hedges' exact correction, which makes it Hedges' g.

    Returns
    -------
    ndarray
        Standardised effect, without unit; NaN where the pooled variance is zero or missing or an arm has fewer than two
        units.

    References
    ----------
    Cohen, J. (1988). Statistical Power Analysis for the Behavioral Sciences, 2nd ed., ch. 2.
    Hedges, L. V. (1981). Distribution theory for Glass's estimator of effect size. Journal of Educational Statistics 6,
    107-128.

    Examples
    --------
    >>> round(float(cohen_d(10.0, 4.0, 50, 11.0, 4.0, 40)), 6)
    0.5
    """
    mean_c, _, n_c = _arm(mean_control, var_control, n_control)
    mean_t, _, n_t = _arm(mean_treatment, var_treatment, n_treatment)
    spread = _pooled_sd(mean_control, var_control, n_control, mean_treatment, var_treatment, n_treatment)
    with np.errstate(all="ignore"):
        d = (mean_t - mean_c) / np.where(spread > 0.0, spread, np.nan)
        if not bias_corrected:
            return d
        df = n_c + n_t - 2.0
        # The ratio of gamma functions overflows above 340 degrees of freedom; its logarithm does not.
        return d * np.exp(gammaln(df / 2.0) - gammaln((df - 1.0) / 2.0)) * np.sqrt(2.0 / df)


def _pooled_sd(
    mean_control: npt.ArrayLike,
    var_control: npt.ArrayLike,
    n_control: npt.ArrayLike,
    mean_treatment: npt.ArrayLike,
    var_treatment: npt.ArrayLike,
    n_treatment: npt.ArrayLike,
) -> NDArray[np.float64]:
    """Pooled standard deviation of two arms; NaN where an arm has fewer than two units."""
    _, var_c, n_c = _arm(mean_control, var_control, n_control)
    _, var_t, n_t = _arm(mean_treatment, var_treatment, n_treatment)
    with np.errstate(all="ignore"):
        return np.sqrt(((n_c - 1.0) * var_c + (n_t - 1.0) * var_t) / (n_c + n_t - 2.0))
