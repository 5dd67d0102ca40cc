"""Regression adjustment with several covariates from cross-moments: Lin's interacted estimator and ANCOVA.

What second-order moments (means, variances, covariances of outcome and covariates) determine, and what they do not:

* Exactly: both point estimates, the slopes, the classical standard error, and the ``neyman`` standard error, which
  lets each arm have its own residual variance. Without covariates ``neyman`` is Welch's test, which is HC2 there too.
* Not at all: HC0 to HC3. They weigh each squared residual by the unit's own covariates, and the second moments of two
  data sets can agree while these sums differ.
* HC0 and HC1 need third and fourth central sums of (outcome, covariates): `residual_sums_from_moments` names them.
* HC2 and HC3 divide by ``1 - leverage`` of each unit, which is no polynomial, so no finite set of moments gives them.
  They need a second pass over the units once the slopes are known: `residual_sums` names the sums of that pass.

``neyman`` replaces each squared residual by the arm's mean of them. It differs from HC2 where squared residuals go with
extreme covariates, and by terms of order k / n: in balanced arms with thousands of units the two agree closely, because
only the imbalance ``d`` lets the covariates into the weights.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from python_stats.means.welch import ROUNDING, variance_above_rounding, welch_t
from python_stats.moments import Moments, check_moments, merge
from python_stats.wald import Comparison, wald

__all__ = [
    "ArmFit",
    "RegressionAdjusted",
    "ResidualSums",
    "ancova",
    "fit_arm",
    "lin",
    "residual_sums",
    "residual_sums_from_moments",
]

FloatArray = NDArray[np.float64]
ROBUST = ("HC0", "HC1", "HC2", "HC3")

# Smallest eigenvalue of the covariates' correlation matrix that is information and not rounding.
COLLINEAR = 1e-11


class RegressionAdjusted(NamedTuple):
    """A regression-adjusted comparison of treatment with control, one element per cell.

    Attributes
    ----------
    comparison : Comparison
        The adjusted effect and its test.
    unadjusted : Comparison
        The raw difference with Welch's test.
    adjusted_mean_control, adjusted_mean_treatment : ndarray
        Arm means predicted at the covariates' mean over both arms; their difference is the effect.
    slopes_control, slopes_treatment : ndarray, shape (..., k)
        Slopes on the covariates; 0 for a covariate that was left out.
    variance_reduction : ndarray
        ``1 - (comparison.se / unadjusted.se) ** 2``; negative where the adjustment did harm.
    covariates_used : ndarray of bool, shape (..., k)
        False for a covariate that is NaN or does not vary in this cell, and for all where an arm has too few units.
    is_adjusted : ndarray of bool
        Whether any covariate was used.
    mean_control, se_control : ndarray
        The raw control mean and its standard error: a lift divides by this mean, never by the adjusted one.
    cov_effect_control : ndarray
        Covariance of the adjusted effect with the raw control mean, which the variance of a lift needs.
    """

    comparison: Comparison
    unadjusted: Comparison
    adjusted_mean_control: FloatArray
    adjusted_mean_treatment: FloatArray
    slopes_control: FloatArray
    slopes_treatment: FloatArray
    variance_reduction: FloatArray
    covariates_used: NDArray[np.bool_]
    is_adjusted: NDArray[np.bool_]
    mean_control: FloatArray
    se_control: FloatArray
    cov_effect_control: FloatArray


class ArmFit(NamedTuple):
    """Least squares of the outcome on the covariates, from centred sums of products.

    Attributes
    ----------
    slopes : ndarray, shape (..., k)
        Slopes; of collinear covariates the shortest solution in units of their standard deviations.
    inverse_products : ndarray, shape (..., k, k)
        (Pseudo-)inverse of the covariates' centred sums of products. The leverage of a unit is
        ``1 / n + (x - mean) @ inverse_products @ (x - mean)``.
    residual_sum : ndarray
        Sum of squared residuals; 0 where it is the rounding of a perfect fit.
    rank : ndarray
        Number of independent covariates.
    """

    slopes: FloatArray
    inverse_products: FloatArray
    residual_sum: FloatArray
    rank: FloatArray


class ResidualSums(NamedTuple):
    """Sums over the units of one arm that the robust standard errors need.

    With ``r`` the squared residual of a unit (HC0, HC1), divided by ``1 - leverage`` (HC2) or by its square (HC3), and
    ``x`` its covariates minus the arm's means:

    Attributes
    ----------
    total : ndarray
        Sum of ``r``.
    by_covariate : ndarray, shape (..., k)
        Sums of ``r * x``.
    by_pair : ndarray, shape (..., k, k)
        Sums of ``r * x * x'``.
    """

    total: FloatArray
    by_covariate: FloatArray
    by_pair: FloatArray


def lin(
    control: Moments,
    treatment: Moments,
    *,
    se_type: Literal["neyman", "classical", "HC0", "HC1", "HC2", "HC3"] = "neyman",
    residuals: tuple[ResidualSums, ResidualSums] | None = None,
    target: Literal["sample", "population"] = "sample",
    alpha: npt.ArrayLike = 0.05,
    alternative: npt.ArrayLike = "two_sided",
    null: npt.ArrayLike = 0.0,
) -> RegressionAdjusted:
    """Compare means by Lin's estimator: least squares on treatment, covariates and their interactions.

    The covariates are centred at their mean over both arms, so the fit is one regression per arm, each predicted at the
    common mean. With ``V_a = s_a**2 * (1 / n_a + d' P d)``, where ``s_a**2`` is the arm's residual variance on
    ``n_a - rank - 1`` degrees of freedom, ``d`` its covariate imbalance and ``P`` the inverse of its sums of products:

    * ``neyman``: ``V_control + V_treatment``, t with Welch-Satterthwaite degrees of freedom. Exact for residuals whose
      variance is constant within an arm; Welch's test when there are no covariates.
    * ``classical``: one residual variance for both arms; t with ``n - 2 rank - 2`` degrees of freedom (R's ``lm_lin``).
    * ``HC0`` to ``HC3``: as R's ``estimatr::lm_lin`` and ``sandwich``, with the same degrees of freedom as
      ``classical`` (statsmodels takes the normal unless told otherwise). They need ``residuals``.

    Parameters
    ----------
    control, treatment : Moments, shape (...) with 1 + k variables
        Moments of (outcome, covariates) of each arm. A ratio enters through `python_stats.linearised`.
    se_type : str, default "neyman"
        Which standard error.
    residuals : pair of ResidualSums, optional
        Of control and treatment, made for this ``se_type``. Required for the HC types, refused for the others.
    target : {"sample", "population"}, default "sample"
        Whether the covariate mean counts as fixed (Lin 2013 and every regression program), or as a sample from a
        population, which adds ``b' S b / n`` with b the difference of the arms' slopes and S the covariates' variance.
    alpha, alternative, null : array_like
        As in `python_stats.wald`.

    Returns
    -------
    RegressionAdjusted
        A covariate that is NaN in either arm or does not vary is left out of its cell; all are where an arm has no
        residual degree of freedom left. Collinear covariates count once. NaN where an arm has fewer than two units; the
        test is NaN where nothing varies or the fit is perfect.

    Raises
    ------
    ValueError
        For unknown ``se_type`` or ``target``, for missing or superfluous ``residuals``, and as `wald`.

    References
    ----------
    Lin, W. (2013). Agnostic notes on regression adjustments to experimental data: reexamining Freedman's critique.
    Annals of Applied Statistics 7, 295-318.
    Negi, A. & Wooldridge, J. M. (2021). Revisiting regression adjustment in experiments with heterogeneous treatment
    effects. Econometric Reviews 40, 504-534 (the term for ``target="population"``).

    Examples
    --------
    >>> from python_stats.moments import moments_of
    >>> control = moments_of([[1.0, 1.0], [2.0, 2.5], [3.0, 2.5], [2.0, 2.0], [4.0, 4.5]])
    >>> treatment = moments_of([[3.0, 1.5], [4.0, 3.0], [6.0, 3.5], [4.0, 2.0], [5.0, 4.0]])
    >>> result = lin(control, treatment)
    >>> round(float(result.comparison.effect), 6), round(float(result.comparison.se), 6)
    (1.73703, 0.388321)
    """
    _check_arguments(control, treatment, se_type, ("neyman", "classical"), residuals)
    if target not in ("sample", "population"):
        raise ValueError(f'target must be "sample" or "population"; found {target!r}')
    used, centre = _covariates(control, treatment, slopes_per_arm=True)
    arms = (control, treatment)
    with np.errstate(all="ignore"):
        fits = [_fit(arm.n, (arm.n - 1)[..., None, None] * arm.cov, used) for arm in arms]
    with np.errstate(all="ignore"):
        imbalance = [np.where(used, arm.mean[..., 1:] - centre, 0.0) for arm in arms]
        weights = [_apply(fit.inverse_products, d) for fit, d in zip(fits, imbalance, strict=True)]
        spread = [1 / arm.n + _dot(d, w) for arm, d, w in zip(arms, imbalance, weights, strict=True)]
        degrees = [arm.n - fit.rank - 1 for arm, fit in zip(arms, fits, strict=True)]
        df = degrees[0] + degrees[1]
        if se_type == "neyman":
            parts = [fit.residual_sum / m * s for fit, m, s in zip(fits, degrees, spread, strict=True)]
            variance = parts[0] + parts[1]
            df = variance**2 / (parts[0] ** 2 / degrees[0] + parts[1] ** 2 / degrees[1])
        elif se_type == "classical":
            variance = (fits[0].residual_sum + fits[1].residual_sum) / df * (spread[0] + spread[1])
        else:
            variance = sum(
                _sandwich(sums, 1 / arm.n, w, used) for sums, arm, w in zip(residuals or (), arms, weights, strict=True)
            )
            variance = variance * ((control.n + treatment.n) / df if se_type == "HC1" else 1.0)
        if target == "population":
            heterogeneity = np.where(used, fits[1].slopes - fits[0].slopes, 0.0)
            covariates = np.where(_pairs(used), merge(control, treatment).cov[..., 1:, 1:], 0.0)
            variance = variance + _dot(heterogeneity, _apply(covariates, heterogeneity)) / (control.n + treatment.n)
        means = [arm.mean[..., 0] - _dot(fit.slopes, d) for arm, fit, d in zip(arms, fits, imbalance, strict=True)]
        comparison = wald(means[1] - means[0], np.sqrt(variance), df, alpha=alpha, alternative=alternative, null=null)
    return _result(
        control, treatment, comparison, means, [fit.slopes for fit in fits], used, (alpha, alternative, null)
    )


def ancova(
    control: Moments,
    treatment: Moments,
    *,
    se_type: Literal["classical", "HC0", "HC1", "HC2", "HC3"] = "classical",
    residuals: tuple[ResidualSums, ResidualSums] | None = None,
    alpha: npt.ArrayLike = 0.05,
    alternative: npt.ArrayLike = "two_sided",
    null: npt.ArrayLike = 0.0,
) -> RegressionAdjusted:
    """Compare means by analysis of covariance: least squares on treatment and covariates, without interactions.

    The slopes are common to both arms (sums of products pooled within arms). With unequal arms and slopes that differ
    it can be less precise than no adjustment; `lin` cannot, in large samples. The t reference has ``n - rank - 2``
    degrees of freedom.

    Parameters
    ----------
    control, treatment : Moments, shape (...) with 1 + k variables
        Moments of (outcome, covariates) of each arm.
    se_type : str, default "classical"
        Classical (equal residual variances), or HC0 to HC3 from ``residuals``.
    residuals : pair of ResidualSums, optional
        Of control and treatment, with this model's residuals and leverages.
    alpha, alternative, null : array_like
        As in `python_stats.wald`.

    Returns
    -------
    RegressionAdjusted
        NaN and left-out covariates as in `lin`.

    Raises
    ------
    ValueError
        For an unknown ``se_type``, for missing or superfluous ``residuals``, and as `wald`.

    References
    ----------
    Fisher, R. A. (1932). Statistical Methods for Research Workers, 4th edition, section 49.1.

    Examples
    --------
    >>> from python_stats.moments import moments_of
    >>> control = moments_of([[1.0, 1.0], [2.0, 2.5], [3.0, 2.5], [2.0, 2.0], [4.0, 4.5]])
    >>> treatment = moments_of([[3.0, 1.5], [4.0, 3.0], [6.0, 3.5], [4.0, 2.0], [5.0, 4.0]])
    >>> round(float(ancova(control, treatment).comparison.effect), 6)
    1.738889
    """
    _check_arguments(control, treatment, se_type, ("classical",), residuals)
    used, centre = _covariates(control, treatment, slopes_per_arm=False)
    arms = (control, treatment)
    fit = _common_fit(control, treatment, used)
    n = control.n + treatment.n
    with np.errstate(all="ignore"):
        gap = np.where(used, treatment.mean[..., 1:] - control.mean[..., 1:], 0.0)
        weights = _apply(fit.inverse_products, gap)
        df = n - fit.rank - 2
        if se_type == "classical":
            variance = fit.residual_sum / df * (1 / control.n + 1 / treatment.n + _dot(gap, weights))
        else:
            signs = (-1, 1)
            variance = sum(
                _sandwich(sums, sign / arm.n, weights, used)
                for sums, sign, arm in zip(residuals or (), signs, arms, strict=True)
            )
            variance = variance * (n / df if se_type == "HC1" else 1.0)
        imbalance = [np.where(used, arm.mean[..., 1:] - centre, 0.0) for arm in arms]
        means = [arm.mean[..., 0] - _dot(fit.slopes, d) for arm, d in zip(arms, imbalance, strict=True)]
        comparison = wald(means[1] - means[0], np.sqrt(variance), df, alpha=alpha, alternative=alternative, null=null)
    return _result(control, treatment, comparison, means, [fit.slopes] * 2, used, (alpha, alternative, null))


def fit_arm(control: Moments, treatment: Moments, *, common: bool = False) -> tuple[ArmFit, ArmFit]:
    """Least-squares fits of both arms, for the second pass over the units that HC2 and HC3 need.

    Parameters
    ----------
    control, treatment : Moments, shape (...) with 1 + k variables
        Moments of (outcome, covariates) of each arm.
    common : bool, default False
        False for the separate slopes of `lin`, True for the common ones of `ancova` (the same fit twice).

    Returns
    -------
    pair of ArmFit
        Of control and treatment, with 0 for the covariates that the comparison leaves out.

    Examples
    --------
    >>> from python_stats.moments import moments_of
    >>> units = moments_of([[1.0, 1.0], [3.0, 2.0], [5.0, 3.0], [7.0, 4.0]])
    >>> fit_arm(units, units)[0].slopes.round(6).tolist()
    [2.0]
    """
    used, _ = _covariates(control, treatment, slopes_per_arm=not common)
    if common:
        fit = _common_fit(control, treatment, used)
        return fit, fit
    first, second = (_fit(arm.n, (arm.n - 1)[..., None, None] * arm.cov, used) for arm in (control, treatment))
    return first, second


def residual_sums(
    values: npt.ArrayLike, arm: Moments, fit: ArmFit, se_type: Literal["HC0", "HC1", "HC2", "HC3"]
) -> ResidualSums:
    """Sum squared residuals over the units of an arm as a robust standard error needs them: the second pass.

    In SQL the same sums are one more aggregation over the units, joined to the arm's means, slopes and
    ``inverse_products``.

    Parameters
    ----------
    values : array_like, shape (..., units, 1 + k)
        Outcome and covariates of the arm's units.
    arm : Moments
        Moments of the same units.
    fit : ArmFit
        This arm's fit, from `fit_arm`.
    se_type : {"HC0", "HC1", "HC2", "HC3"}
        HC2 divides squared residuals by ``1 - leverage``, HC3 by its square.

    Returns
    -------
    ResidualSums
        NaN (HC2, HC3) where a unit has leverage 1, because its residual is 0 whatever its outcome.

    Raises
    ------
    ValueError
        For an unknown ``se_type``.

    Examples
    --------
    >>> from python_stats.moments import moments_of
    >>> units = np.array([[1.0, 1.0], [2.0, 2.0], [5.0, 3.0], [7.0, 4.0]])
    >>> arm = moments_of(units)
    >>> sums = residual_sums(units, arm, fit_arm(arm, arm)[0], "HC0")
    >>> round(float(sums.total), 6)
    0.7
    """
    if se_type not in ROBUST:
        raise ValueError(f"se_type must be one of {', '.join(ROBUST)}; found {se_type!r}")
    units = np.asarray(values, dtype=np.float64)
    out = fit.slopes == 0
    x = np.where(out[..., None, :], 0.0, units[..., 1:] - arm.mean[..., None, 1:])
    residual = units[..., 0] - arm.mean[..., None, 0] - (x @ fit.slopes[..., None])[..., 0]
    leverage = 1 / arm.n[..., None] + np.einsum("...ui,...ij,...uj->...u", x, fit.inverse_products, x)
    power = {"HC0": 0, "HC1": 0, "HC2": 1, "HC3": 2}[se_type]
    room = np.where(1 - leverage > ROUNDING, 1 - leverage, np.nan)
    squared = residual**2 / room**power if power else residual**2
    return ResidualSums(
        squared.sum(axis=-1),
        np.einsum("...u,...ui->...i", squared, x),
        np.einsum("...u,...ui,...uj->...ij", squared, x, x),
    )


def residual_sums_from_moments(arm: Moments, third: npt.ArrayLike, fourth: npt.ArrayLike, fit: ArmFit) -> ResidualSums:
    """Get the sums for HC0 and HC1 from central sums of third and fourth order, without a second pass.

    Parameters
    ----------
    arm : Moments, shape (...) with 1 + k variables
        Moments of (outcome, covariates) of the arm.
    third : array_like, shape (..., 1 + k, 1 + k, k)
        Sums over units of ``z_i * z_j * x_l``, with ``z = (outcome, covariates)`` and ``x = covariates``, all minus the
        arm's means. For one covariate three distinct numbers: of ``yyx``, ``yxx`` and ``xxx``.
    fourth : array_like, shape (..., 1 + k, 1 + k, k, k)
        Sums over units of ``z_i * z_j * x_l * x_m``: of ``yyxx``, ``yxxx`` and ``xxxx``.
    fit : ArmFit
        This arm's fit, from `fit_arm`.

    Returns
    -------
    ResidualSums
        For ``se_type`` "HC0" and "HC1" only.

    Examples
    --------
    >>> from python_stats.moments import moments_of
    >>> units = np.array([[1.0, 1.0], [2.0, 2.0], [5.0, 3.0], [7.0, 4.0]])
    >>> arm, z = moments_of(units), units - units.mean(axis=0)
    >>> third = np.einsum("ui,uj,ul->ijl", z, z, z[:, 1:])
    >>> fourth = np.einsum("ui,uj,ul,um->ijlm", z, z, z[:, 1:], z[:, 1:])
    >>> sums = residual_sums_from_moments(arm, third, fourth, fit_arm(arm, arm)[0])
    >>> round(float(sums.by_covariate[0]), 6)
    -0.45
    """
    residual = np.concatenate([np.ones((*fit.slopes.shape[:-1], 1)), -fit.slopes], axis=-1)
    squares = residual[..., :, None] * residual[..., None, :]
    products = np.where(squares == 0, 0.0, (arm.n - 1)[..., None, None] * arm.cov)
    third_ = np.where(squares[..., None] == 0, 0.0, np.asarray(third, dtype=np.float64))
    fourth_ = np.where(squares[..., None, None] == 0, 0.0, np.asarray(fourth, dtype=np.float64))
    return ResidualSums(
        np.einsum("...ij,...ij->...", squares, products),
        np.einsum("...ij,...ijl->...l", squares, third_),
        np.einsum("...ij,...ijlm->...lm", squares, fourth_),
    )


def _check_arguments(
    control: Moments,
    treatment: Moments,
    se_type: str,
    from_moments: tuple[str, ...],
    residuals: tuple[ResidualSums, ResidualSums] | None,
) -> None:
    check_moments(control=control, treatment=treatment)
    if control.mean.shape[-1] != treatment.mean.shape[-1] or control.mean.shape[-1] == 0:
        raise ValueError("control and treatment must hold the same variables: (outcome, covariates)")
    if se_type not in (*from_moments, *ROBUST):
        raise ValueError(f"se_type must be one of {', '.join((*from_moments, *ROBUST))}; found {se_type!r}")
    if (se_type in ROBUST) != (residuals is not None):
        raise ValueError(f"residuals belong to {', '.join(ROBUST)} and only to them; se_type is {se_type!r}")


def _covariates(control: Moments, treatment: Moments, *, slopes_per_arm: bool) -> tuple[NDArray[np.bool_], FloatArray]:
    """Which covariates take part, and their mean over both arms."""
    pooled = merge(control, treatment)
    used = variance_above_rounding(pooled.var[..., 1:], pooled.mean[..., 1:]) > 0
    for arm in (control, treatment):
        with np.errstate(all="ignore"):
            sum_of_squares = arm.n[..., None] * arm.var[..., 1:]
        used = used & np.isfinite(arm.mean[..., 1:]) & np.isfinite(sum_of_squares) & np.isfinite(arm.cov[..., 0, 1:])
    # A covariance that is NaN although both variances are not takes both of its covariates along.
    known = np.isfinite(control.cov[..., 1:, 1:]) & np.isfinite(treatment.cov[..., 1:, 1:])
    used = used & (known | ~_pairs(used)).all(axis=-1)
    count = used.sum(axis=-1)
    if slopes_per_arm:
        enough = np.minimum(control.n, treatment.n) - count - 1 >= 1
    else:
        enough = control.n + treatment.n - count - 2 >= 1
    return used & enough[..., None], pooled.mean[..., 1:]


def _fit(n: FloatArray, products: FloatArray, used: NDArray[np.bool_]) -> ArmFit:
    shape = np.broadcast_shapes(n.shape, used.shape[:-1])
    with np.errstate(all="ignore"):
        outcome = np.broadcast_to(products[..., 0, 0], shape)
        between = np.where(used, products[..., 0, 1:], 0.0)
        among = np.where(_pairs(used), products[..., 1:, 1:], 0.0)
        # Scaled to correlations, so that what counts as collinear does not depend on the covariates' units.
        size = np.sqrt(np.maximum(np.diagonal(among, axis1=-2, axis2=-1), 0.0))
        scale = np.divide(1.0, size, out=np.zeros_like(size), where=size > 0)
        values, vectors = np.linalg.eigh(among * scale[..., :, None] * scale[..., None, :])
        independent = values > COLLINEAR
        inverse_values = np.divide(1.0, values, out=np.zeros_like(values), where=independent)
        inverse = (vectors * inverse_values[..., None, :]) @ np.swapaxes(vectors, -1, -2)
        inverse = inverse * scale[..., :, None] * scale[..., None, :]
        slopes = _apply(inverse, between)
        left = outcome - _dot(between, slopes)
        residual_sum = np.where((left <= ROUNDING * outcome) & np.isfinite(outcome), 0.0, left)
    return ArmFit(slopes, inverse, residual_sum, independent.sum(axis=-1).astype(np.float64))


def _common_fit(control: Moments, treatment: Moments, used: NDArray[np.bool_]) -> ArmFit:
    with np.errstate(all="ignore"):
        products = (control.n - 1)[..., None, None] * control.cov + (treatment.n - 1)[..., None, None] * treatment.cov
    return _fit(control.n + treatment.n, products, used)


def _sandwich(sums: ResidualSums, constant: FloatArray, weights: FloatArray, used: NDArray[np.bool_]) -> FloatArray:
    """Sum of ``r * (constant - weights' x) ** 2``."""
    by_covariate = np.where(used, sums.by_covariate, 0.0)
    by_pair = np.where(_pairs(used), sums.by_pair, 0.0)
    linear = _dot(weights, by_covariate)
    return sums.total * constant**2 - 2 * constant * linear + _dot(weights, _apply(by_pair, weights))


def _result(
    control: Moments,
    treatment: Moments,
    comparison: Comparison,
    means: list[FloatArray],
    slopes: list[FloatArray],
    used: NDArray[np.bool_],
    plan: tuple[npt.ArrayLike, npt.ArrayLike, npt.ArrayLike],
) -> RegressionAdjusted:
    alpha, alternative, null = plan
    shape = used.shape[:-1]
    raw = [(arm.mean[..., 0], arm.cov[..., 0, 0], np.broadcast_to(arm.n, shape)) for arm in (control, treatment)]
    unadjusted = welch_t(*raw[0], *raw[1], alpha=alpha, alternative=alternative, null=null)
    with np.errstate(all="ignore"):
        # The common covariate mean holds the control units too, so treatment's slope meets control's covariates.
        share = (control.n / (control.n + treatment.n))[..., None]
        with_outcome = np.where(used, control.cov[..., 0, 1:], 0.0)
        carried = _dot((1 - share) * slopes[0] + share * slopes[1], with_outcome)
        return RegressionAdjusted(
            comparison=comparison,
            unadjusted=unadjusted,
            adjusted_mean_control=means[0],
            adjusted_mean_treatment=means[1],
            slopes_control=slopes[0],
            slopes_treatment=slopes[1],
            variance_reduction=1 - (comparison.se / unadjusted.se) ** 2,
            covariates_used=used,
            is_adjusted=used.any(axis=-1),
            mean_control=np.broadcast_to(control.mean[..., 0], shape).copy(),
            se_control=np.broadcast_to(np.sqrt(control.cov[..., 0, 0] / control.n), shape).copy(),
            cov_effect_control=(carried - control.cov[..., 0, 0]) / control.n,
        )


def _dot(a: FloatArray, b: FloatArray) -> FloatArray:
    return (a * b).sum(axis=-1)


def _apply(matrix: FloatArray, vector: FloatArray) -> FloatArray:
    return (matrix @ vector[..., None])[..., 0]


def _pairs(used: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return used[..., :, None] & used[..., None, :]
