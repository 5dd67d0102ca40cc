"""CUPED: less variance from one covariate that was known before assignment, for means, rates and ratios."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from python_stats.means.welch import ROUNDING, variance_above_rounding, welch_t
from python_stats.moments import Moments, check_moments, linear_combination, merge
from python_stats.wald import Comparison

__all__ = ["Adjusted", "cuped", "cuped_ratio", "linearised"]

FloatArray = NDArray[np.float64]


class Adjusted(NamedTuple):
    """An adjusted comparison of treatment with control, with what it was adjusted by; one element per cell.

    Attributes
    ----------
    comparison : Comparison
        The adjusted effect and its test. Equal to ``unadjusted`` where the adjustment fell back.
    unadjusted : Comparison
        The raw difference with Welch's test.
    theta : ndarray
        Slope that was used, in units of the outcome per unit of the covariate; 0 where the adjustment fell back.
    adjusted_mean_control, adjusted_mean_treatment : ndarray
        Arm means after moving both arms to the common covariate mean; their difference is the effect.
    correlation : ndarray
        Correlation of outcome and covariate over both arms together (one overall mean).
    variance_reduction : ndarray
        ``1 - (comparison.se / unadjusted.se) ** 2``; 0 where the adjustment fell back, negative where it did harm.
    is_adjusted : ndarray of bool
        False where the adjustment fell back to the unadjusted comparison: no usable covariate.
    mean_control, se_control : ndarray
        The raw control mean and its standard error: a lift divides by this mean, never by the adjusted one.
    cov_effect_control : ndarray
        Covariance of the adjusted effect with the raw control mean, which the variance of a lift needs.
    """

    comparison: Comparison
    unadjusted: Comparison
    theta: FloatArray
    adjusted_mean_control: FloatArray
    adjusted_mean_treatment: FloatArray
    correlation: FloatArray
    variance_reduction: FloatArray
    is_adjusted: NDArray[np.bool_]
    mean_control: FloatArray
    se_control: FloatArray
    cov_effect_control: FloatArray


def cuped(
    control: Moments,
    treatment: Moments,
    *,
    theta_from: Literal["pooled", "within_arm"] = "pooled",
    alpha: npt.ArrayLike = 0.05,
    alternative: npt.ArrayLike = "two_sided",
    null: npt.ArrayLike = 0.0,
) -> Adjusted:
    """Compare means after CUPED with one covariate.

    The outcome becomes ``y - theta * (x - mean_x)`` and is compared by Welch's t test (n - 1 throughout; its degrees of
    freedom are not reduced for ``theta``). ``theta = cov(y, x) / var(x)`` over both arms pooled with one overall mean:
    the convention of Deng et al., tea-tasting and GrowthBook. ``theta_from="within_arm"`` pools the sums within arms
    instead, which is the slope of an analysis of covariance; the effects of the two differ.

    Parameters
    ----------
    control, treatment : Moments, shape (...) with 2 variables
        Moments of (outcome, covariate) of each arm, over the same units and on the same population. The leading axes
        broadcast.
    theta_from : {"pooled", "within_arm"}, default "pooled"
        Where the slope comes from.
    alpha, alternative, null : array_like
        As in `python_stats.wald`.

    Returns
    -------
    Adjusted
        Falls back to the unadjusted comparison, with ``is_adjusted`` False, where the covariate does not vary, is not
        defined (NaN), or is uncorrelated with the outcome to machine precision. NaN where an arm has fewer than two
        units, and (test and interval only) where the compared quantity does not vary in either arm.

    Raises
    ------
    ValueError
        For other than 2 variables, or an unknown ``theta_from``, ``alpha`` or ``alternative``.

    References
    ----------
    Deng, A., Xu, Y., Kohavi, R. & Walker, T. (2013). Improving the sensitivity of online controlled experiments by
    utilizing pre-experiment data. WSDM 2013, 123-132.

    Examples
    --------
    >>> from python_stats.moments import moments_of
    >>> control, treatment = moments_of([
    ...     np.array([[1.0, 1.0], [2.0, 2.5], [3.0, 2.5]]), np.array([[3.0, 1.5], [4.0, 3.0], [6.0, 3.5]])
    ... ])
    >>> result = cuped(control, treatment)
    >>> round(float(result.theta), 6), round(float(result.comparison.effect), 6)
    (1.538462, 1.307692)
    """
    _check_variables(control, treatment, 2, "(outcome, covariate)")
    plan = {"alpha": alpha, "alternative": alternative, "null": null}
    return _adjust(control, treatment, merge(control, treatment), theta_from, plan)


def cuped_ratio(
    control: Moments,
    treatment: Moments,
    *,
    theta_from: Literal["pooled", "within_arm"] = "pooled",
    alpha: npt.ArrayLike = 0.05,
    alternative: npt.ArrayLike = "two_sided",
    null: npt.ArrayLike = 0.0,
) -> Adjusted:
    """Compare ratios of sums after CUPED, with the same ratio before the experiment as the covariate.

    Both ratios are linearised (delta method): the ratio's unit value is ``(num - ratio * den) / mean_den`` with each
    arm's own ratio and denominator for the variances, and those of both arms pooled for ``theta``, as in tea-tasting.
    The effect is ``R_t - R_c - theta * (P_t - P_c)``, with P the pre-period ratios.

    Parameters
    ----------
    control, treatment : Moments, shape (...) with 4 variables
        Moments of (numerator, denominator, pre-period numerator, pre-period denominator) per unit.
    theta_from, alpha, alternative, null
        As for `cuped`.

    Returns
    -------
    Adjusted
        In the unit of the ratio. Falls back as `cuped` does, and where a pre-period denominator is zero for all units
        of an arm. NaN where the denominator of the outcome is zero.

    Raises
    ------
    ValueError
        For other than 4 variables, or an unknown ``theta_from``, ``alpha`` or ``alternative``.

    References
    ----------
    Deng, A., Knoblich, U. & Lu, J. (2018). Applying the delta method in metric analytics: a practical guide with novel
    ideas. KDD 2018, 233-242.

    Examples
    --------
    >>> from python_stats.moments import moments_of
    >>> pre = np.array([[2.0, 4.0], [3.0, 4.0], [1.0, 5.0], [2.0, 3.0]])
    >>> now = np.array([[3.0, 5.0], [3.0, 4.0], [1.0, 4.0], [2.0, 3.0]])
    >>> control, treatment = moments_of([np.hstack([now, pre]), np.hstack([now + [1.0, 0.0], pre])])
    >>> round(float(cuped_ratio(control, treatment).comparison.effect), 6)
    0.25
    """
    _check_variables(control, treatment, 4, "(numerator, denominator, pre numerator, pre denominator)")
    pairs = ((0, 1), (2, 3))
    pooled = linearised(merge(control, treatment), pairs)
    plan = {"alpha": alpha, "alternative": alternative, "null": null}
    return _adjust(linearised(control, pairs), linearised(treatment, pairs), pooled, theta_from, plan)


def linearised(moments: Moments, variables: Sequence[int | tuple[int, int]]) -> Moments:
    """Moments of linearised ratios, so that a ratio can go wherever a mean can.

    Parameters
    ----------
    moments : Moments, shape (...) with k variables
        Moments of unit totals.
    variables : sequence of m (numerator, denominator) pairs of indices, or single indices
        A pair becomes the ratio of sums; a single index keeps its variable as it is.

    Returns
    -------
    Moments, shape (...) with m variables
        The mean is the ratio of sums; the covariances are those of ``(num - ratio * den) / mean_den``. NaN where the
        denominator's mean is zero; 0 where the numerator is proportional to the denominator, up to rounding.

    References
    ----------
    Deng, A., Knoblich, U. & Lu, J. (2018). Applying the delta method in metric analytics: a practical guide with novel
    ideas. KDD 2018, 233-242.

    Examples
    --------
    >>> from python_stats.moments import moments_of
    >>> m = linearised(moments_of([[1.0, 2.0], [2.0, 2.0], [3.0, 4.0]]), [(0, 1)])
    >>> m.mean.tolist(), round(float(m.var[0]), 6)
    ([0.75], 0.035156)
    """
    check_moments(moments=moments)
    cells, k = moments.n.shape, moments.mean.shape[-1]
    weights = np.zeros((*cells, len(variables), k))
    mean = np.empty((*cells, len(variables)))
    for row, variable in enumerate(variables):
        if isinstance(variable, tuple):
            numerator, denominator = variable
            with np.errstate(all="ignore"):
                total = np.where(moments.mean[..., denominator] == 0, np.nan, moments.mean[..., denominator])
                mean[..., row] = moments.mean[..., numerator] / total
                weights[..., row, numerator] = 1 / total
                weights[..., row, denominator] -= mean[..., row] / total
        else:
            mean[..., row] = moments.mean[..., variable]
            weights[..., row, variable] = 1.0
    # A NaN weight belongs to one ratio: it must not reach the others through the matrix product.
    undefined = np.isnan(mean)
    weights = np.where(undefined[..., None], 0.0, weights)
    combined = linear_combination(moments, weights)
    with np.errstate(all="ignore"):
        parts = np.where(weights == 0, 0.0, weights**2 * moments.var[..., None, :]).sum(axis=-1)
        residue = (combined.var <= ROUNDING * parts) & np.isfinite(parts) & ~undefined
    cov = np.where(residue[..., :, None] | residue[..., None, :], 0.0, combined.cov)
    return Moments(moments.n, mean, np.where(undefined[..., :, None] | undefined[..., None, :], np.nan, cov))


def _check_variables(control: Moments, treatment: Moments, k: int, names: str) -> None:
    check_moments(control=control, treatment=treatment)
    if control.mean.shape[-1] != k or treatment.mean.shape[-1] != k:
        raise ValueError(f"control and treatment must hold {k} variables: {names}")


def _adjust(
    control: Moments, treatment: Moments, pooled: Moments, theta_from: str, plan: dict[str, npt.ArrayLike]
) -> Adjusted:
    arms = (control, treatment)
    if theta_from == "pooled":
        slopes = pooled.cov
    elif theta_from == "within_arm":
        with np.errstate(all="ignore"):
            weights = [((arm.n - 1) / (control.n + treatment.n - 2))[..., None, None] for arm in arms]
            slopes = sum(weight * arm.cov for weight, arm in zip(weights, arms, strict=True))
    else:
        raise ValueError(f'theta_from must be "pooled" or "within_arm"; found {theta_from!r}')

    with np.errstate(all="ignore"):
        slope = slopes[..., 0, 1] / slopes[..., 1, 1]
        matters = slope**2 * slopes[..., 1, 1] > np.finfo(float).eps * slopes[..., 0, 0]
        varies = variance_above_rounding(pooled.cov[..., 1, 1], pooled.mean[..., 1]) > 0
        noisy = [variance_above_rounding(arm.cov[..., 0, 0], arm.mean[..., 0]) > 0 for arm in arms]
        is_adjusted = varies & matters & np.isfinite(slope) & (noisy[0] | noisy[1])
        for arm in arms:
            for moment in (arm.mean[..., 1], arm.cov[..., 0, 1], arm.cov[..., 1, 1]):
                is_adjusted = is_adjusted & np.isfinite(moment)
        theta = np.where(is_adjusted, slope, 0.0)

        # The covariate takes no part where it is not used: 0 * NaN would be NaN.
        shift = [np.where(is_adjusted, theta * (arm.mean[..., 1] - pooled.mean[..., 1]), 0.0) for arm in arms]
        mean_control, mean_treatment = (arm.mean[..., 0] - by for arm, by in zip(arms, shift, strict=True))
        var_control, var_treatment = (_adjusted_variance(arm, theta, is_adjusted) for arm in arms)
        adjusted = welch_t(mean_control, var_control, control.n, mean_treatment, var_treatment, treatment.n, **plan)
        raw_control, raw_treatment = (
            (arm.mean[..., 0], arm.cov[..., 0, 0], np.broadcast_to(arm.n, theta.shape)) for arm in arms
        )
        raw = welch_t(*raw_control, *raw_treatment, **plan)

        covariance = np.where(is_adjusted, theta * control.cov[..., 0, 1], 0.0) - control.cov[..., 0, 0]
        return Adjusted(
            comparison=adjusted,
            unadjusted=raw,
            theta=np.where(np.isfinite(raw.effect), theta, np.nan),
            adjusted_mean_control=mean_control,
            adjusted_mean_treatment=mean_treatment,
            correlation=np.where(varies, pooled.cov[..., 0, 1], np.nan)
            / np.sqrt(pooled.cov[..., 0, 0] * pooled.cov[..., 1, 1]),
            variance_reduction=1 - (adjusted.se / raw.se) ** 2,
            is_adjusted=is_adjusted,
            mean_control=np.broadcast_to(control.mean[..., 0], theta.shape).copy(),
            se_control=np.broadcast_to(np.sqrt(control.cov[..., 0, 0] / control.n), theta.shape).copy(),
            cov_effect_control=covariance / control.n,
        )


def _adjusted_variance(arm: Moments, theta: FloatArray, is_adjusted: NDArray[np.bool_]) -> FloatArray:
    """Variance of ``y - theta * x``, 0 where it is the rounding of a perfect fit."""
    var_y = arm.cov[..., 0, 0]
    explained = theta**2 * arm.cov[..., 1, 1]
    variance = var_y + explained - 2 * theta * arm.cov[..., 0, 1]
    parts = var_y + explained
    variance = np.where((variance <= ROUNDING * parts) & np.isfinite(parts), 0.0, variance)
    return np.where(is_adjusted, variance, var_y)
