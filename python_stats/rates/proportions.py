"""Two rates: the z test of their difference, and closed-form intervals for small counts.

The score methods (Mee, Miettinen-Nurminen, Farrington-Manning, Koopman) are in `python_stats.rates.proportion_score`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from python_stats.arguments import takes_summaries
from python_stats.rates.one_proportion import Interval, counts, wilson_interval
from python_stats.wald import Comparison, check_alternative, p_value, tail_alpha, wald


@takes_summaries("the number of successes and of units")
def two_proportion_z(
    successes_control: npt.ArrayLike,
    n_control: npt.ArrayLike,
    successes_treatment: npt.ArrayLike,
    n_treatment: npt.ArrayLike,
    *,
    continuity_correction: bool = False,
    alpha: npt.ArrayLike = 0.05,
    alternative: npt.ArrayLike = "two_sided",
) -> Comparison:
    """Two-proportion z test: pooled variance for statistic and p-value, unpooled for standard error and interval.

    The null hypothesis says that both rates are equal, so its test pools them; the interval is about rates that differ,
    so it does not. Near the boundary the two can therefore disagree. Without continuity correction this is R's
    ``prop.test(correct=FALSE)``; a null difference other than zero needs
    `python_stats.farrington_manning`, not this statistic.

    Parameters
    ----------
    successes_control, n_control, successes_treatment, n_treatment : array_like
        Units with the outcome, and units, in each arm.
    continuity_correction : bool, default False
        Yates' correction of the statistic and the interval (``prop.test``'s default).
    alpha, alternative : array_like
        As in `python_stats.wald`.

    Returns
    -------
    Comparison
        Arrays of the common shape, infinite degrees of freedom; ``se`` is unpooled. Everything is NaN where the counts
        are impossible. Statistic and p-value are NaN where nobody or everybody had the outcome in both arms; the limits
        are NaN where the unpooled standard error is zero (no variation inside either arm).

    Raises
    ------
    AlphaError, UnknownAlternativeError
        For wrong arguments; both are ValueErrors.

    References
    ----------
    Fleiss, J. L., Levin, B. and Paik, M. C. (2003). Statistical Methods for Rates and Proportions, 3rd ed., chapter 3.

    Examples
    --------
    >>> result = two_proportion_z(55, 410, 40, 400)
    >>> round(float(result.effect), 6), round(float(result.statistic), 6), round(float(result.p_value), 6)
    (-0.034146, -1.510059, 0.131028)
    """
    side = check_alternative(alternative)
    x_c, n_c = counts(successes_control, n_control)
    x_t, n_t = counts(successes_treatment, n_treatment)
    with np.errstate(all="ignore"):
        rate_c, rate_t = x_c / n_c, x_t / n_t
        effect = rate_t - rate_c
        pooled = (x_c + x_t) / (n_c + n_t)
        weight = 1.0 / n_c + 1.0 / n_t
        se_pooled = np.sqrt(pooled * (1.0 - pooled) * weight)
        se = np.sqrt(rate_c * (1.0 - rate_c) / n_c + rate_t * (1.0 - rate_t) / n_t)
        correction = np.minimum(0.5 * weight, np.abs(effect)) if continuity_correction else 0.0 * effect
        shrunk = np.sign(effect) * (np.abs(effect) - correction)
        statistic = shrunk / np.where(se_pooled > 0.0, se_pooled, np.nan)
        result = wald(effect, se, alpha=alpha, alternative=side)
        statistic = np.broadcast_to(statistic, result.effect.shape)
        return result._replace(
            statistic=statistic.copy(),
            p_value=p_value(statistic, alternative=side),
            ci_low=result.ci_low - correction,
            ci_high=result.ci_high + correction,
        )


@takes_summaries("the number of successes and of units")
def newcombe_interval(
    successes_control: npt.ArrayLike,
    n_control: npt.ArrayLike,
    successes_treatment: npt.ArrayLike,
    n_treatment: npt.ArrayLike,
    *,
    alpha: npt.ArrayLike = 0.05,
    alternative: npt.ArrayLike = "two_sided",
) -> Interval:
    """Newcombe's hybrid score interval of the difference of two rates (his method 10, without continuity correction).

    Wilson's intervals of the arms are combined; the result stays within [-1, 1] and behaves with counts of zero.

    Parameters
    ----------
    successes_control, n_control, successes_treatment, n_treatment : array_like
        Units with the outcome, and units, in each arm.
    alpha, alternative : array_like
        As in `python_stats.wald`; the open side of a one-sided interval is infinite.

    Returns
    -------
    Interval
        Limits of treatment minus control; NaN where the counts are impossible.

    Raises
    ------
    AlphaError, UnknownAlternativeError
        For wrong arguments; both are ValueErrors.

    References
    ----------
    Newcombe, R. G. (1998). Interval estimation for the difference between independent proportions. Statistics in
    Medicine 17, 873-890.

    Examples
    --------
    >>> [round(float(x), 4) for x in newcombe_interval(48, 80, 56, 70)]
    [0.0524, 0.3339]
    """
    side = check_alternative(alternative)
    tail = tail_alpha(alpha, side)
    x_c, n_c = counts(successes_control, n_control)
    x_t, n_t = counts(successes_treatment, n_treatment)
    low_c = wilson_interval(x_c, n_c, alpha=tail, alternative="greater").ci_low
    high_c = wilson_interval(x_c, n_c, alpha=tail, alternative="less").ci_high
    low_t = wilson_interval(x_t, n_t, alpha=tail, alternative="greater").ci_low
    high_t = wilson_interval(x_t, n_t, alpha=tail, alternative="less").ci_high
    with np.errstate(all="ignore"):
        rate_c, rate_t = x_c / n_c, x_t / n_t
        effect = rate_t - rate_c
        low = effect - np.hypot(rate_t - low_t, high_c - rate_c)
        high = effect + np.hypot(high_t - rate_t, rate_c - low_c)
    return one_side_open(low, high, side)


@takes_summaries("the number of successes and of units")
def agresti_caffo_interval(
    successes_control: npt.ArrayLike,
    n_control: npt.ArrayLike,
    successes_treatment: npt.ArrayLike,
    n_treatment: npt.ArrayLike,
    *,
    alpha: npt.ArrayLike = 0.05,
    alternative: npt.ArrayLike = "two_sided",
) -> Interval:
    """Agresti and Caffo's interval of the difference of two rates: Wald after one success and one failure more per arm.

    Parameters
    ----------
    successes_control, n_control, successes_treatment, n_treatment : array_like
        Units with the outcome, and units, in each arm.
    alpha, alternative : array_like
        As in `python_stats.wald`; the open side of a one-sided interval is infinite.

    Returns
    -------
    Interval
        Limits of treatment minus control, cut at -1 and 1; NaN where the counts are impossible.

    Raises
    ------
    AlphaError, UnknownAlternativeError
        For wrong arguments; both are ValueErrors.

    References
    ----------
    Agresti, A. and Caffo, B. (2000). Simple and effective confidence intervals for proportions and differences of
    proportions result from adding two successes and two failures. The American Statistician 54, 280-288.

    Examples
    --------
    >>> [round(float(x), 4) for x in agresti_caffo_interval(48, 80, 56, 70)]
    [0.0525, 0.3358]
    """
    side = check_alternative(alternative)
    z = -ndtri(tail_alpha(alpha, side))
    x_c, n_c = counts(successes_control, n_control)
    x_t, n_t = counts(successes_treatment, n_treatment)
    rate_c, rate_t = (x_c + 1.0) / (n_c + 2.0), (x_t + 1.0) / (n_t + 2.0)
    half_width = z * np.sqrt(rate_c * (1.0 - rate_c) / (n_c + 2.0) + rate_t * (1.0 - rate_t) / (n_t + 2.0))
    effect = rate_t - rate_c
    return one_side_open(np.maximum(effect - half_width, -1.0), np.minimum(effect + half_width, 1.0), side)


def one_side_open(low: npt.ArrayLike, high: npt.ArrayLike, alternative: npt.ArrayLike) -> Interval:
    """Interval with an infinite limit on the side that a one-sided alternative leaves open.

    Parameters
    ----------
    low, high : array_like
        Limits at the alternative's own tail probability.
    alternative : array_like of str
        ``"greater"`` keeps the lower limit only, ``"less"`` the upper one.

    Returns
    -------
    Interval
        Arrays of the common shape; NaN limits stay NaN.

    Raises
    ------
    UnknownAlternativeError
        For an unknown alternative.

    Examples
    --------
    >>> [x.tolist() for x in one_side_open(0.1, 0.4, ["two_sided", "greater"])]
    [[0.1, 0.1], [0.4, inf]]
    """
    side = check_alternative(alternative)
    low_, high_ = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    known = ~np.isnan(low_) & ~np.isnan(high_)
    return Interval(
        ci_low=np.where(known, np.where(side == "less", -np.inf, low_), np.nan),
        ci_high=np.where(known, np.where(side == "greater", np.inf, high_), np.nan),
    )
