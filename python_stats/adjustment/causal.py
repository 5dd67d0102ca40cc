"""Effects that need an argument beyond randomisation: on those who complied, and on changes over time.

Both are differences of arms whose residuals' moments follow from moments that SQL computes anyway: means, variances and
one covariance per arm.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray
from scipy.special import ndtri

from python_stats.arguments import FROM_TWO_COLUMNS, takes_summaries
from python_stats.means.welch import ROUNDING, pooled_t, variance_above_rounding, welch_t
from python_stats.wald import Comparison, tail_alpha, wald

CACE_ERRORS = ("hc2", "hc1", "hc0", "iid")
# First-stage F below which an instrument counts as weak (Staiger and Stock's rule of thumb).
WEAK_FIRST_STAGE_F = 10.0
DID_ERRORS = ("welch", "cr2", "pooled", "cr1_stata", "cr1_fixest")


class ComplierEffect(NamedTuple):
    """Effect on compliers, one element per cell.

    Attributes
    ----------
    effect, se, statistic, df, p_value, ci_low, ci_high : ndarray
        As in `python_stats.Comparison`: the complier average causal effect in the unit of the outcome.
    compliance, compliance_se : ndarray
        Difference of the arms' exposure rates and its standard error.
    first_stage_t : ndarray
        Their ratio; its square is the first-stage F. Below `WEAK_FIRST_STAGE_F` the Wald interval cannot be trusted.
        NaN where exposure does not vary within an arm.
    ar_ci_low, ar_ci_high : ndarray
        Anderson-Rubin limits, right at any strength of the first stage; infinite where the data do not bound the
        effect.
    ar_method : ndarray of str
        Shape of the Anderson-Rubin set: ``bounded``; ``exclusive`` where only a gap in the middle is excluded;
        ``unbounded`` where nothing is; ``undefined`` where there is none.
    """

    effect: NDArray[np.float64]
    se: NDArray[np.float64]
    statistic: NDArray[np.float64]
    df: NDArray[np.float64]
    p_value: NDArray[np.float64]
    ci_low: NDArray[np.float64]
    ci_high: NDArray[np.float64]
    compliance: NDArray[np.float64]
    compliance_se: NDArray[np.float64]
    first_stage_t: NDArray[np.float64]
    ar_ci_low: NDArray[np.float64]
    ar_ci_high: NDArray[np.float64]
    ar_method: NDArray[np.str_]


@takes_summaries("means, variances, covariance and units of outcome and exposure", FROM_TWO_COLUMNS)
def cace(
    mean_outcome_control: npt.ArrayLike,
    mean_exposure_control: npt.ArrayLike,
    var_outcome_control: npt.ArrayLike,
    var_exposure_control: npt.ArrayLike,
    cov_outcome_exposure_control: npt.ArrayLike,
    n_control: npt.ArrayLike,
    mean_outcome_treatment: npt.ArrayLike,
    mean_exposure_treatment: npt.ArrayLike,
    var_outcome_treatment: npt.ArrayLike,
    var_exposure_treatment: npt.ArrayLike,
    cov_outcome_exposure_treatment: npt.ArrayLike,
    n_treatment: npt.ArrayLike,
    *,
    standard_error: str = "hc2",
    alpha: npt.ArrayLike = 0.05,
    alternative: npt.ArrayLike = "two_sided",
) -> ComplierEffect:
    """Estimate the complier average causal effect: Wald's ratio, which is two-stage least squares without covariates.

    The difference in outcomes by assignment divided by the difference in exposure. It is the effect of exposure on the
    units that are exposed because of their assignment, when assignment acts through exposure only and never prevents
    it. The standard error is that of the residual ``outcome - effect * exposure``, so it contains the covariance of
    outcome and exposure; dividing the intent-to-treat standard error by the compliance does not.

    The variance of an arm's residual mean is ``s^2 / n`` for ``"hc2"`` (Neyman's, ``iv_robust`` of R's estimatr),
    ``(n - 1) s^2 / n^2`` for ``"hc0"`` (linearmodels' ``robust``), that times ``N / (N - 2)`` for ``"hc1"``, and pooled
    over the arms with N - 2 degrees of freedom for ``"iid"`` (``ivreg`` of R's AER). The reference is t with N - 2
    degrees of freedom. The Anderson-Rubin set holds every effect for which the residuals of the arms do not differ
    significantly (``"hc2"`` variances, normal reference); it excludes zero exactly when the intent-to-treat z test
    rejects.

    Parameters
    ----------
    mean_outcome_control, mean_outcome_treatment : array_like
        Means of the outcome by assigned arm, over all assigned units.
    mean_exposure_control, mean_exposure_treatment : array_like
        Means of the exposure (share exposed) by assigned arm.
    var_outcome_control, var_exposure_control, var_outcome_treatment, var_exposure_treatment : array_like
        Sample variances (divisor ``n - 1``).
    cov_outcome_exposure_control, cov_outcome_exposure_treatment : array_like
        Sample covariances of outcome and exposure, with the same divisor.
    n_control, n_treatment : array_like
        Assigned units.
    standard_error : {"hc2", "hc1", "hc0", "iid"}, default "hc2"
        Convention of the standard error of the effect.
    alpha, alternative : array_like
        As in `python_stats.wald`.

    Returns
    -------
    ComplierEffect
        Arrays of the common shape. Everything but the first stage is NaN (``undefined``) where the compliance is zero;
        everything but the effect and the first stage where the residuals do not vary (the standard error is 0 there),
        and everything that needs it where an arm has fewer than two units or a moment is missing.

    Raises
    ------
    ValueError
        For an unknown standard error or alternative, or an alpha outside (0, 1).

    References
    ----------
    Imbens, G. W. and Angrist, J. D. (1994). Identification and estimation of local average treatment effects.
    Econometrica 62, 467-475.
    Staiger, D. and Stock, J. H. (1997). Instrumental variables regression with weak instruments. Econometrica 65,
    557-586.
    Anderson, T. W. and Rubin, H. (1949). Estimation of the parameters of a single equation in a complete system of
    stochastic equations. Annals of Mathematical Statistics 20, 46-63.

    Examples
    --------
    >>> result = cace(10.0, 0.0, 25.0, 0.0, 0.0, 1000, 11.0, 0.5, 25.0, 0.25, 0.5, 1000)
    >>> round(float(result.effect), 6), round(float(result.se), 6)
    (2.0, 0.442719)
    >>> round(float(result.ar_ci_low), 6), round(float(result.ar_ci_high), 6), str(result.ar_method)
    (1.130615, 2.869385, 'bounded')
    """
    if standard_error not in CACE_ERRORS:
        raise ValueError(f"standard_error must be one of {', '.join(CACE_ERRORS)}; found {standard_error!r}")
    tail = tail_alpha(alpha, alternative)
    y_c, d_c, vy_c, vd_c, cov_c, n_c, y_t, d_t, vy_t, vd_t, cov_t, n_t = np.broadcast_arrays(
        *(
            np.asarray(part, dtype=np.float64)
            for part in (
                mean_outcome_control,
                mean_exposure_control,
                var_outcome_control,
                var_exposure_control,
                cov_outcome_exposure_control,
                n_control,
                mean_outcome_treatment,
                mean_exposure_treatment,
                var_outcome_treatment,
                var_exposure_treatment,
                cov_outcome_exposure_treatment,
                n_treatment,
            )
        )
    )
    with np.errstate(all="ignore"):
        n_c, n_t = (np.where(np.isfinite(n) & (n >= 2.0), n, np.nan) for n in (n_c, n_t))
        exposure_c, exposure_t = variance_above_rounding(vd_c, d_c), variance_above_rounding(vd_t, d_t)
        compliance = d_t - d_c
        compliance_se = np.sqrt(exposure_c / n_c + exposure_t / n_t)
        effect = (y_t - y_c) / np.where(compliance == 0.0, np.nan, compliance)
        residual_c = _residual_variance(effect, y_c, vy_c, d_c, exposure_c, cov_c)
        residual_t = _residual_variance(effect, y_t, vy_t, d_t, exposure_t, cov_t)
        se = np.sqrt(_variance_of_difference(residual_c, n_c, residual_t, n_t, standard_error)) / np.abs(compliance)
        result = wald(effect, se, n_c + n_t - 2.0, alpha=alpha, alternative=alternative)

        # In units of the distance from the estimate, where the residuals of the arms have equal means.
        residual = residual_c / n_c + residual_t / n_t
        covariance = (cov_c - effect * exposure_c) / n_c + (cov_t - effect * exposure_t) / n_t
        square = ndtri(tail) ** 2
        leading = compliance**2 - square * compliance_se**2
        root = np.sqrt((square * covariance) ** 2 + leading * square * residual)
        from_low, from_high = (-square * covariance + sign * root for sign in (-1.0, 1.0))
        usable = np.isfinite(residual + covariance + leading) & (residual > 0.0)
        bounded = leading > 0.0
        side = np.broadcast_arrays(np.asarray(alternative), tail)[0]
        ar_low = np.where(bounded & (side != "less"), effect + from_low / leading, -np.inf)
        ar_high = np.where(bounded & (side != "greater"), effect + from_high / leading, np.inf)
        shape = np.where(bounded, "bounded", np.where(np.isfinite(root), "exclusive", "unbounded"))
    ar_low, ar_high = (np.where(usable, limit, np.nan) for limit in (ar_low, ar_high))
    with np.errstate(all="ignore"):
        first_stage = compliance / np.where(compliance_se > 0.0, compliance_se, np.nan)
    extra = (compliance, compliance_se, first_stage, ar_low, ar_high, np.where(usable, shape, "undefined"))
    return ComplierEffect(*result, *(np.broadcast_to(part, result.effect.shape).copy() for part in extra))


@takes_summaries("means, variances, covariance and units of the values before and after", FROM_TWO_COLUMNS)
def difference_in_differences(
    mean_pre_control: npt.ArrayLike,
    mean_post_control: npt.ArrayLike,
    var_pre_control: npt.ArrayLike,
    var_post_control: npt.ArrayLike,
    cov_pre_post_control: npt.ArrayLike,
    n_control: npt.ArrayLike,
    mean_pre_treatment: npt.ArrayLike,
    mean_post_treatment: npt.ArrayLike,
    var_pre_treatment: npt.ArrayLike,
    var_post_treatment: npt.ArrayLike,
    cov_pre_post_treatment: npt.ArrayLike,
    n_treatment: npt.ArrayLike,
    *,
    standard_error: str = "welch",
    alpha: npt.ArrayLike = 0.05,
    alternative: npt.ArrayLike = "two_sided",
) -> Comparison:
    """Compare the arms' mean changes from before to after: two groups, two periods, every unit in both.

    With a balanced panel this is a comparison of gain scores ``post - pre``, and the cluster-robust standard errors of
    the regression are theirs up to a factor for small samples:

    * ``"welch"``: Welch's t test of the gains.
    * ``"cr2"``: the same standard error, which is CR2 clustered by unit, with Bell-McCaffrey degrees of freedom: those
      of Welch when the gains of both arms vary alike, as their working model assumes (R's clubSandwich).
    * ``"pooled"``: Student's t test of the gains; the classical standard error of the two-way fixed-effects regression.
    * ``"cr1_stata"``: ``y ~ treated * post`` clustered by unit with Stata's factor ``G / (G - 1) * (N - 1) / (N - 4)``.
    * ``"cr1_fixest"``: two-way fixed effects clustered by unit in R's fixest, ``(N - 1) / (N - 3)``.

    Here G is the number of units, N = 2 G; the last two use G - 1 degrees of freedom. Without randomisation the
    estimate rests on parallel trends. In a randomised experiment regression on the pre-period value is at least as
    precise.

    Parameters
    ----------
    mean_pre_control, mean_post_control, mean_pre_treatment, mean_post_treatment : array_like
        Means before and after, over the same units.
    var_pre_control, var_post_control, var_pre_treatment, var_post_treatment : array_like
        Sample variances (divisor ``n - 1``).
    cov_pre_post_control, cov_pre_post_treatment : array_like
        Sample covariances of before and after, with the same divisor.
    n_control, n_treatment : array_like
        Units.
    standard_error : {"welch", "cr2", "pooled", "cr1_stata", "cr1_fixest"}, default "welch"
        Convention of the standard error.
    alpha, alternative : array_like
        As in `python_stats.wald`.

    Returns
    -------
    Comparison
        Arrays of the common shape. Everything but the effect is NaN where an arm has fewer than two units, a moment is
        missing, or the gains of both arms do not vary.

    Raises
    ------
    ValueError
        For an unknown standard error or alternative, or an alpha outside (0, 1).

    References
    ----------
    Angrist, J. D. and Pischke, J.-S. (2009). Mostly harmless econometrics, section 5.2. Princeton University Press.
    Bell, R. M. and McCaffrey, D. F. (2002). Bias reduction in standard errors for linear regression with multi-stage
    samples. Survey Methodology 28, 169-181.

    Examples
    --------
    >>> result = difference_in_differences(10.0, 11.0, 4.0, 5.0, 3.0, 40, 10.2, 12.7, 4.0, 6.0, 3.5, 50)
    >>> round(float(result.effect), 6), round(float(result.se), 6), round(float(result.df), 4)
    (1.5, 0.367423, 83.7161)
    """
    if standard_error not in DID_ERRORS:
        raise ValueError(f"standard_error must be one of {', '.join(DID_ERRORS)}; found {standard_error!r}")
    gains = []
    for pre, post, var_pre, var_post, cov, n in (
        (mean_pre_control, mean_post_control, var_pre_control, var_post_control, cov_pre_post_control, n_control),
        (
            mean_pre_treatment,
            mean_post_treatment,
            var_pre_treatment,
            var_post_treatment,
            cov_pre_post_treatment,
            n_treatment,
        ),
    ):
        before, after = np.asarray(pre, dtype=np.float64), np.asarray(post, dtype=np.float64)
        gains += [after - before, _residual_variance(1.0, after, var_post, before, var_pre, cov), n]
    if standard_error == "welch":
        return welch_t(*gains, alpha=alpha, alternative=alternative)
    pooled = pooled_t(*gains, alpha=alpha, alternative=alternative)
    if standard_error == "pooled":
        return pooled
    _, var_c, n_c, _, var_t, n_t = (np.asarray(part, dtype=np.float64) for part in gains)
    with np.errstate(all="ignore"):
        n_c, n_t = (np.where(np.isfinite(n) & (n >= 2.0), n, np.nan) for n in (n_c, n_t))
        units = n_c + n_t
        if standard_error == "cr2":
            df = (1.0 / n_c + 1.0 / n_t) ** 2 / (1.0 / (n_c**2 * (n_c - 1.0)) + 1.0 / (n_t**2 * (n_t - 1.0)))
            se = np.sqrt(_variance_of_difference(var_c, n_c, var_t, n_t, "hc2"))
            return wald(pooled.effect, se, df, alpha=alpha, alternative=alternative)
        parameters = 4.0 if standard_error == "cr1_stata" else 3.0
        factor = units / (units - 1.0) * (2.0 * units - 1.0) / (2.0 * units - parameters)
        se = np.sqrt(factor * _variance_of_difference(var_c, n_c, var_t, n_t, "hc0"))
        return wald(pooled.effect, se, units - 1.0, alpha=alpha, alternative=alternative)


def _residual_variance(
    slope: npt.ArrayLike,
    mean_y: NDArray[np.float64],
    var_y: npt.ArrayLike,
    mean_x: NDArray[np.float64],
    var_x: npt.ArrayLike,
    cov: npt.ArrayLike,
) -> NDArray[np.float64]:
    """Variance of ``y - slope * x``; exactly 0 where only rounding is left of it."""
    with np.errstate(all="ignore"):
        spread = variance_above_rounding(var_y, mean_y), np.square(slope) * variance_above_rounding(var_x, mean_x)
        left = spread[0] + spread[1] - 2.0 * np.asarray(slope) * np.asarray(cov, dtype=np.float64)
        parts = spread[0] + spread[1]
        left = np.where((np.abs(left) <= ROUNDING * parts) & np.isfinite(parts), 0.0, left)
        return np.where(left >= 0.0, left, np.nan)


def _variance_of_difference(
    var_c: NDArray[np.float64],
    n_c: NDArray[np.float64],
    var_t: NDArray[np.float64],
    n_t: NDArray[np.float64],
    kind: str,
) -> NDArray[np.float64]:
    """Variance of the difference of two means, in the convention of a regression's standard errors."""
    total = n_c + n_t
    if kind == "hc2":
        return var_c / n_c + var_t / n_t
    if kind == "iid":
        return ((n_c - 1.0) * var_c + (n_t - 1.0) * var_t) / (total - 2.0) * total / (n_c * n_t)
    hc0 = (n_c - 1.0) * var_c / n_c**2 + (n_t - 1.0) * var_t / n_t**2
    return hc0 * total / (total - 2.0) if kind == "hc1" else hc0
