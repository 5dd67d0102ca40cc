"""Score methods for two rates: tests and intervals whose variance is the null hypothesis's own.

At a difference (or ratio) other than zero the variance under the null hypothesis is not the pooled one: it belongs to
the pair of rates that is most likely among all pairs with that difference, the restricted maximum-likelihood estimate.
(The version of it in statsmodels up to 0.15.0 has a wrong term for differences; see its issue 10269.)
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray
from scipy.special import ndtri

from python_stats.arguments import takes_summaries
from python_stats.bisection import increasing_root
from python_stats.rates.one_proportion import Interval, counts
from python_stats.rates.proportions import one_side_open
from python_stats.wald import Comparison, check_alternative, tail_alpha, wald

SCORE_VARIANCES = ("farrington_manning", "miettinen_nurminen", "wald")

# Newton's steps double the digits; the rest are bisections where two roots of the cubic nearly meet.
MAX_STEPS = 100

# A relative step after which the next one would be lost in rounding.
CONVERGED = 1e-11

# No arm has enough units for a rate below this to differ from zero.
SMALLEST_RATE = 1e-18

# Beyond e^-100 and e^100 no ratio of rates is distinguishable from zero and infinity in double precision.
LOG_RATIO_BOUND = 100.0


def restricted_rates(
    successes_control: npt.ArrayLike,
    n_control: npt.ArrayLike,
    successes_treatment: npt.ArrayLike,
    n_treatment: npt.ArrayLike,
    difference: npt.ArrayLike,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Most likely rates of control and treatment among those with a given difference.

    The derivative of the log-likelihood is a cubic over a positive number, and it falls from plus to minus inside the
    admissible range, so a Newton iteration that never leaves its bracket finds the one root that matters; no choice
    among the three roots of the closed form is needed, and small rates lose no digits to its cosines.

    Parameters
    ----------
    successes_control, n_control, successes_treatment, n_treatment : array_like
        Units with the outcome, and units, in each arm. They need not be whole: expected counts serve in planning.
    difference : array_like
        Treatment minus control under the hypothesis, in [-1, 1].

    Returns
    -------
    tuple of ndarray
        Rate of control and rate of treatment; NaN where the counts are impossible or the difference is outside [-1, 1].

    References
    ----------
    Miettinen, O. and Nurminen, M. (1985). Comparative analysis of two rates. Statistics in Medicine 4, 213-226.
    Farrington, C. P. and Manning, G. (1990). Test statistics and sample size formulae for comparative binomial trials
    with null hypothesis of non-zero risk difference or non-unity relative risk. Statistics in Medicine 9, 1447-1454.

    Examples
    --------
    >>> [round(float(x), 6) for x in restricted_rates(48, 80, 56, 70, -0.1)]
    [0.727771, 0.627771]
    """
    x_c, n_c = counts(successes_control, n_control)
    x_t, n_t = counts(successes_treatment, n_treatment)
    x_c, n_c, x_t, n_t, gap = np.broadcast_arrays(x_c, n_c, x_t, n_t, np.asarray(difference, dtype=np.float64))
    with np.errstate(all="ignore"):
        gap = np.where(np.abs(gap) <= 1.0, gap, np.nan)
        low, high = np.maximum(0.0, -gap), np.minimum(1.0, 1.0 - gap)
        # The cubic is zero at an edge where an arm has no successes (or failures), whether or not the likelihood is
        # highest there; the sign of its true derivative tells.
        edge_low = _log_likelihood_slope(x_c, n_c, x_t, n_t, low, low + gap) <= 0.0
        edge_high = _log_likelihood_slope(x_c, n_c, x_t, n_t, high, high + gap) >= 0.0
        low, high = np.where(edge_high, high, low), np.where(edge_low, low, high)
        rate = np.clip((x_c + x_t - n_t * gap) / (n_c + n_t), low, high)
        moving = np.ones(np.shape(rate), dtype=bool)
        for _ in range(MAX_STEPS):
            excess_c, excess_t = x_c - n_c * rate, x_t - n_t * (rate + gap)
            spread_c, spread_t = rate * (1.0 - rate), (rate + gap) * (1.0 - rate - gap)
            score = excess_c * spread_t + excess_t * spread_c
            slope = (
                excess_c * (1.0 - 2.0 * (rate + gap)) + excess_t * (1.0 - 2.0 * rate) - n_c * spread_t - n_t * spread_c
            )
            low, high = np.where(score > 0.0, rate, low), np.where(score < 0.0, rate, high)
            step = rate - score / slope
            step = np.where((step >= low) & (step <= high), step, low + 0.5 * (high - low))
            step = np.where(score == 0.0, rate, step)
            still = moving & (np.abs(step - rate) > CONVERGED * np.maximum(step, SMALLEST_RATE))
            # A cell that has arrived stays: its digits must not depend on how long the others take.
            rate, moving = np.where(moving, step, rate), still
            if not np.any(still):
                break
        return rate, np.clip(rate + gap, 0.0, 1.0)


@takes_summaries("the number of successes and of units")
def farrington_manning(
    successes_control: npt.ArrayLike,
    n_control: npt.ArrayLike,
    successes_treatment: npt.ArrayLike,
    n_treatment: npt.ArrayLike,
    *,
    null: npt.ArrayLike,
    variance: str = "farrington_manning",
    alpha: npt.ArrayLike = 0.05,
    alternative: npt.ArrayLike = "greater",
) -> Comparison:
    """Score test that the difference of two rates is a given number, for non-inferiority and superiority by a margin.

    With a non-inferiority margin ``m`` (a positive difference of rates) and a rate that should be high, test
    ``null=-m`` against ``"greater"``; with a rate that should be low, ``null=m`` against ``"less"``.

    Parameters
    ----------
    successes_control, n_control, successes_treatment, n_treatment : array_like
        Units with the outcome, and units, in each arm.
    null : array_like
        Treatment minus control under the null hypothesis, strictly between -1 and 1.
    variance : {"farrington_manning", "miettinen_nurminen", "wald"}
        Variance of the statistic: at the restricted maximum-likelihood rates; the same times ``N / (N - 1)`` with N the
        units of both arms; or at the observed rates. The first is the pooled z at ``null=0``.
    alpha : array_like, default 0.05
        Significance level.
    alternative : array_like of str, default "greater"
        As in `python_stats.wald`.

    Returns
    -------
    Comparison
        Arrays of the common shape, infinite degrees of freedom. ``se`` is the standard error the statistic uses, and
        the interval is the one that inverts the test (Mee's, Miettinen and Nurminen's, or Wald's). NaN where the counts
        are impossible or the null is not inside (-1, 1); statistic and p-value are NaN where the variance is zero.

    Raises
    ------
    ValueError
        For an unknown ``variance``, alternative, or an alpha outside (0, 1).

    References
    ----------
    Farrington, C. P. and Manning, G. (1990). Test statistics and sample size formulae for comparative binomial trials
    with null hypothesis of non-zero risk difference or non-unity relative risk. Statistics in Medicine 9, 1447-1454.

    Examples
    --------
    >>> result = farrington_manning(48, 80, 56, 70, null=-0.1)
    >>> round(float(result.statistic), 6), round(float(result.p_value), 8)
    (3.934206, 4.174e-05)
    """
    if variance not in SCORE_VARIANCES:
        raise ValueError(f"variance must be one of {', '.join(SCORE_VARIANCES)}; found {variance!r}")
    x_c, n_c = counts(successes_control, n_control)
    x_t, n_t = counts(successes_treatment, n_treatment)
    gap = np.asarray(null, dtype=np.float64)
    with np.errstate(all="ignore"):
        gap = np.where(np.abs(gap) < 1.0, gap, np.nan)
        rate_c, rate_t = x_c / n_c, x_t / n_t
        if variance == "wald":
            se = np.sqrt(rate_c * (1.0 - rate_c) / n_c + rate_t * (1.0 - rate_t) / n_t)
            return wald(rate_t - rate_c, se, alpha=alpha, alternative=alternative, null=gap)
        small_sample = variance == "miettinen_nurminen"
        se = _restricted_se(x_c, n_c, x_t, n_t, gap, small_sample)
        result = wald(rate_t - rate_c, se, alpha=alpha, alternative=alternative, null=gap)
    limits = _score_interval(x_c, n_c, x_t, n_t, small_sample, alpha, alternative)
    known = ~np.isnan(gap)
    return result._replace(
        ci_low=np.where(known, limits.ci_low, np.nan), ci_high=np.where(known, limits.ci_high, np.nan)
    )


@takes_summaries("the number of successes and of units")
def mee_interval(
    successes_control: npt.ArrayLike,
    n_control: npt.ArrayLike,
    successes_treatment: npt.ArrayLike,
    n_treatment: npt.ArrayLike,
    *,
    alpha: npt.ArrayLike = 0.05,
    alternative: npt.ArrayLike = "two_sided",
) -> Interval:
    """Mee's score interval of the difference of two rates: all differences Farrington and Manning's test accepts.

    It is `miettinen_nurminen_interval` without the factor ``N / (N - 1)``; both are called "the score interval".

    Parameters
    ----------
    successes_control, n_control, successes_treatment, n_treatment : array_like
        Units with the outcome, and units, in each arm.
    alpha, alternative : array_like
        As in `python_stats.wald`; the open side of a one-sided interval is infinite.

    Returns
    -------
    Interval
        Limits of treatment minus control, within [-1, 1]; NaN where the counts are impossible.

    Raises
    ------
    AlphaError, UnknownAlternativeError
        For wrong arguments; both are ValueErrors.

    References
    ----------
    Mee, R. W. (1984). Confidence bounds for the difference between two probabilities. Biometrics 40, 1175-1176.

    Examples
    --------
    >>> [round(float(x), 4) for x in mee_interval(48, 80, 56, 70)]
    [0.0533, 0.3377]
    """
    return _score_interval(successes_control, n_control, successes_treatment, n_treatment, False, alpha, alternative)


@takes_summaries("the number of successes and of units")
def miettinen_nurminen_interval(
    successes_control: npt.ArrayLike,
    n_control: npt.ArrayLike,
    successes_treatment: npt.ArrayLike,
    n_treatment: npt.ArrayLike,
    *,
    alpha: npt.ArrayLike = 0.05,
    alternative: npt.ArrayLike = "two_sided",
) -> Interval:
    """Miettinen and Nurminen's score interval of the difference of two rates, with their factor ``N / (N - 1)``.

    Parameters
    ----------
    successes_control, n_control, successes_treatment, n_treatment : array_like
        Units with the outcome, and units, in each arm.
    alpha, alternative : array_like
        As in `python_stats.wald`; the open side of a one-sided interval is infinite.

    Returns
    -------
    Interval
        Limits of treatment minus control, within [-1, 1]; NaN where the counts are impossible.

    Raises
    ------
    AlphaError, UnknownAlternativeError
        For wrong arguments; both are ValueErrors.

    References
    ----------
    Miettinen, O. and Nurminen, M. (1985). Comparative analysis of two rates. Statistics in Medicine 4, 213-226.

    Examples
    --------
    >>> [round(float(x), 4) for x in miettinen_nurminen_interval(48, 80, 56, 70)]
    [0.0528, 0.3382]
    """
    return _score_interval(successes_control, n_control, successes_treatment, n_treatment, True, alpha, alternative)


@takes_summaries("the number of successes and of units")
def score_ratio_interval(
    successes_control: npt.ArrayLike,
    n_control: npt.ArrayLike,
    successes_treatment: npt.ArrayLike,
    n_treatment: npt.ArrayLike,
    *,
    small_sample_factor: bool = False,
    alpha: npt.ArrayLike = 0.05,
    alternative: npt.ArrayLike = "two_sided",
) -> Interval:
    """Score interval of the ratio of two rates, treatment over control: Koopman's, or Miettinen and Nurminen's.

    Subtract 1 from the limits for an interval of the lift.

    Parameters
    ----------
    successes_control, n_control, successes_treatment, n_treatment : array_like
        Units with the outcome, and units, in each arm.
    small_sample_factor : bool, default False
        False is Koopman's interval; True multiplies the variance by ``N / (N - 1)``, Miettinen and Nurminen's.
    alpha, alternative : array_like
        As in `python_stats.wald`; the open side of a one-sided interval is infinite.

    Returns
    -------
    Interval
        Limits of the ratio: the lower one is 0 where treatment has no successes, the upper one infinite where control
        has none. NaN where neither has any, and where the counts are impossible.

    Raises
    ------
    AlphaError, UnknownAlternativeError
        For wrong arguments; both are ValueErrors.

    References
    ----------
    Koopman, P. A. R. (1984). Confidence intervals for the ratio of two binomial proportions. Biometrics 40, 513-517.
    Miettinen, O. and Nurminen, M. (1985). Comparative analysis of two rates. Statistics in Medicine 4, 213-226.

    Examples
    --------
    >>> [round(float(x) - 1, 4) for x in score_ratio_interval(55, 410, 40, 400)]
    [-0.4912, 0.0903]
    """
    side = check_alternative(alternative)
    x_c, n_c = counts(successes_control, n_control)
    x_t, n_t = counts(successes_treatment, n_treatment)
    x_c, n_c, x_t, n_t, z, side = np.broadcast_arrays(x_c, n_c, x_t, n_t, -ndtri(tail_alpha(alpha, side)), side)
    with np.errstate(all="ignore"):
        total = n_c + n_t
        factor = total / (total - 1.0) if small_sample_factor else 1.0

        def statistic(log_ratio: NDArray[np.float64]) -> NDArray[np.float64]:
            ratio = np.exp(log_ratio)
            sum_ = n_t * ratio + x_t + n_c + x_c * ratio
            # The smaller root of the restricted likelihood's quadratic, as a quotient that cancels nothing.
            root = np.sqrt(np.maximum(sum_**2 - 4.0 * total * ratio * (x_c + x_t), 0.0))
            rate_c = 2.0 * (x_c + x_t) / (sum_ + root)
            rate_t = np.minimum(ratio * rate_c, 1.0)
            variance = factor * (rate_t * (1.0 - rate_t) / n_t + ratio**2 * rate_c * (1.0 - rate_c) / n_c)
            return _standardised(x_t / n_t - ratio * x_c / n_c, np.sqrt(variance))

        low = np.exp(increasing_root(lambda t: z - statistic(t), -LOG_RATIO_BOUND, LOG_RATIO_BOUND))
        high = np.exp(increasing_root(lambda t: -z - statistic(t), -LOG_RATIO_BOUND, LOG_RATIO_BOUND))
        nobody = x_c + x_t == 0.0
        low = np.where(nobody, np.nan, np.where(x_t == 0.0, 0.0, low))
        high = np.where(nobody, np.nan, np.where(x_c == 0.0, np.inf, high))
    return one_side_open(low, high, side)


def _standardised(distance: NDArray[np.float64], se: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return distance over standard error; where the latter vanishes, infinity with the sign of the distance, or 0."""
    with np.errstate(all="ignore"):
        certain = np.where(distance == 0.0, 0.0, np.copysign(np.inf, distance))
        return np.where(se == 0.0, certain, distance / se)


def _log_likelihood_slope(
    x_c: NDArray[np.float64],
    n_c: NDArray[np.float64],
    x_t: NDArray[np.float64],
    n_t: NDArray[np.float64],
    rate_c: NDArray[np.float64],
    rate_t: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the derivative of the log-likelihood along pairs of rates with the same difference."""
    terms = ((x_c, rate_c), (x_t, rate_t), (x_c - n_c, 1.0 - rate_c), (x_t - n_t, 1.0 - rate_t))
    return sum(np.where(count == 0.0, 0.0, count / np.maximum(rate, 0.0)) for count, rate in terms)


def _restricted_se(
    x_c: NDArray[np.float64],
    n_c: NDArray[np.float64],
    x_t: NDArray[np.float64],
    n_t: NDArray[np.float64],
    gap: NDArray[np.float64],
    small_sample: bool,
) -> NDArray[np.float64]:
    """Return the standard error of the difference at the rates that are most likely under it."""
    rate_c, rate_t = restricted_rates(x_c, n_c, x_t, n_t, gap)
    with np.errstate(all="ignore"):
        variance = rate_c * (1.0 - rate_c) / n_c + rate_t * (1.0 - rate_t) / n_t
        return np.sqrt(variance * ((n_c + n_t) / (n_c + n_t - 1.0) if small_sample else 1.0))


def _score_interval(
    successes_control: npt.ArrayLike,
    n_control: npt.ArrayLike,
    successes_treatment: npt.ArrayLike,
    n_treatment: npt.ArrayLike,
    small_sample: bool,
    alpha: npt.ArrayLike,
    alternative: npt.ArrayLike,
) -> Interval:
    """All differences the score test accepts."""
    side = check_alternative(alternative)
    x_c, n_c = counts(successes_control, n_control)
    x_t, n_t = counts(successes_treatment, n_treatment)
    x_c, n_c, x_t, n_t, z, side = np.broadcast_arrays(x_c, n_c, x_t, n_t, -ndtri(tail_alpha(alpha, side)), side)
    effect = x_t / n_t - x_c / n_c
    edge = np.where(np.isnan(effect), np.nan, 1.0)

    def statistic(gap: NDArray[np.float64]) -> NDArray[np.float64]:
        se = _restricted_se(x_c, n_c, x_t, n_t, gap, small_sample)
        return _standardised(effect - gap, se)

    low = increasing_root(lambda gap: z - statistic(gap), -edge, edge)
    high = increasing_root(lambda gap: -z - statistic(gap), -edge, edge)
    return one_side_open(low, high, side)
