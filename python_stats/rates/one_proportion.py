"""One rate: its interval, and its test against a benchmark."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray
from scipy.special import betainc, betaincc, betainccinv, betaincinv, gammaln, ndtri, xlog1py, xlogy

from python_stats.wald import Comparison, check_alternative, p_value, tail_alpha, wald

# Outcomes whose probabilities agree to this relative difference count as equally likely (R's binom.test, fisher.test).
TIE_TOLERANCE = 1e-7


class Interval(NamedTuple):
    """Limits of a ``1 - alpha`` interval, one element per cell.

    Attributes
    ----------
    ci_low, ci_high : ndarray
        Lower and upper limit.
    """

    ci_low: NDArray[np.float64]
    ci_high: NDArray[np.float64]


def counts(successes: npt.ArrayLike, n: npt.ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Successes and trials as floats, both NaN where they are no counts of successes among trials.

    Parameters
    ----------
    successes, n : array_like
        Successes and trials; they broadcast.

    Returns
    -------
    tuple of ndarray
        Both on the common shape; NaN unless ``0 <= successes <= n``, ``n > 0`` and both are finite.

    Examples
    --------
    >>> [x.tolist() for x in counts([3, 5], [4, 4])]
    [[3.0, nan], [4.0, nan]]
    """
    x, total = np.broadcast_arrays(np.asarray(successes, dtype=np.float64), np.asarray(n, dtype=np.float64))
    with np.errstate(invalid="ignore"):
        valid = (x >= 0.0) & (x <= total) & (total > 0.0) & np.isfinite(total)
    return np.where(valid, x, np.nan), np.where(valid, total, np.nan)


def wilson_interval(
    successes: npt.ArrayLike, n: npt.ArrayLike, *, alpha: npt.ArrayLike = 0.05, alternative: npt.ArrayLike = "two_sided"
) -> Interval:
    """Wilson's score interval of a rate, without continuity correction.

    It holds every rate the one-sample z test with the null's variance does not reject. It is the plain Wilson interval
    at 1 and n - 1 successes too, where Hmisc's ``binconf`` puts something else.

    Parameters
    ----------
    successes, n : array_like
        Successes and trials; they broadcast.
    alpha, alternative : array_like
        As in `python_stats.wald`; the open side of a one-sided interval is 0 or 1.

    Returns
    -------
    Interval
        Within [0, 1], exactly 0 at no successes and 1 at no failures; NaN where the counts are impossible.

    Raises
    ------
    AlphaError, UnknownAlternativeError
        For wrong arguments; both are ValueErrors.

    References
    ----------
    Wilson, E. B. (1927). Probable inference, the law of succession, and statistical inference. Journal of the American
    Statistical Association 22, 209-212.
    Newcombe, R. G. (1998). Two-sided confidence intervals for the single proportion. Statistics in Medicine 17,
    857-872.

    Examples
    --------
    >>> [round(float(x), 4) for x in wilson_interval(81, 263)]
    [0.2553, 0.3662]
    """
    side = check_alternative(alternative)
    z = -ndtri(tail_alpha(alpha, side))
    x, total = counts(successes, n)
    low = _wilson_lower(x, total, z)
    # A rate below the spacing of doubles near 1 has an upper limit of 1 minus 1.
    high = np.maximum(1.0 - _wilson_lower(total - x, total, z), low)
    return Interval(np.where(side == "less", 0.0 * x, low), np.where(side == "greater", 0.0 * x + 1.0, high))


def _wilson_lower(x: NDArray[np.float64], n: NDArray[np.float64], z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lower root of Wilson's quadratic, for z of either sign."""
    with np.errstate(all="ignore"):
        middle = 2.0 * x + z**2
        reach = z * np.sqrt(z**2 + 4.0 * x * (1.0 - x / n))
        # The root as a quotient: subtracting would leave a tiny negative number at no successes.
        return np.where(
            z >= 0.0, 2.0 * x**2 / n / np.where(x > 0.0, middle + reach, 1.0), (middle - reach) / 2.0 / (n + z**2)
        )


def clopper_pearson_interval(
    successes: npt.ArrayLike, n: npt.ArrayLike, *, alpha: npt.ArrayLike = 0.05, alternative: npt.ArrayLike = "two_sided"
) -> Interval:
    """Clopper and Pearson's exact interval of a rate, which never covers less than it says.

    Parameters
    ----------
    successes, n : array_like
        Successes and trials; they broadcast.
    alpha, alternative : array_like
        As in `python_stats.wald`; the open side of a one-sided interval is 0 or 1.

    Returns
    -------
    Interval
        Within [0, 1], exactly 0 at no successes and 1 at no failures; NaN where the counts are impossible.

    Raises
    ------
    AlphaError, UnknownAlternativeError
        For wrong arguments; both are ValueErrors.

    References
    ----------
    Clopper, C. J. and Pearson, E. S. (1934). The use of confidence or fiducial limits illustrated in the case of the
    binomial. Biometrika 26, 404-413.

    Examples
    --------
    >>> [round(float(x), 4) for x in clopper_pearson_interval(81, 263)]
    [0.2527, 0.3676]
    """
    side = check_alternative(alternative)
    tail = tail_alpha(alpha, side)
    x, total = counts(successes, n)
    with np.errstate(all="ignore"):
        low = np.where(x == 0.0, 0.0, betaincinv(x, total - x + 1.0, tail))
        high = np.where(x == total, 1.0, betainccinv(x + 1.0, total - x, tail))
    return Interval(
        ci_low=np.where(side == "less", 0.0 * x, low), ci_high=np.where(side == "greater", 0.0 * x + 1.0, high)
    )


def one_proportion_z(
    successes: npt.ArrayLike,
    n: npt.ArrayLike,
    benchmark: npt.ArrayLike,
    *,
    variance: str = "null",
    continuity_correction: bool = False,
    alpha: npt.ArrayLike = 0.05,
    alternative: npt.ArrayLike = "two_sided",
) -> Comparison:
    """One-sample z test of a rate against a benchmark, with the null hypothesis's variance.

    The effect is the rate minus the benchmark. With ``variance="null"`` (R's ``prop.test``) the standard error is
    ``sqrt(benchmark * (1 - benchmark) / n)`` and the interval is Wilson's, minus the benchmark, so that test and
    interval agree. ``variance="sample"`` uses the observed rate in both, which is what statsmodels'
    ``proportions_ztest`` does unless it is told otherwise.

    Parameters
    ----------
    successes, n : array_like
        Successes and trials; they broadcast.
    benchmark : array_like
        Rate under the null hypothesis, strictly between 0 and 1.
    variance : {"null", "sample"}, default "null"
        Whose variance the test uses.
    continuity_correction : bool, default False
        Yates' correction of the statistic and the p-value; the interval stays uncorrected.
    alpha, alternative : array_like
        As in `python_stats.wald`.

    Returns
    -------
    Comparison
        Arrays of the common shape, infinite degrees of freedom. Everything is NaN where the counts are impossible;
        everything but the effect where the benchmark is not inside (0, 1), or where the sample variance is asked for
        and is zero.

    Raises
    ------
    ValueError
        For an unknown ``variance``, alternative, or an alpha outside (0, 1).

    References
    ----------
    Newcombe, R. G. (1998). Two-sided confidence intervals for the single proportion. Statistics in Medicine 17,
    857-872.

    Examples
    --------
    >>> result = one_proportion_z(601, 933, 0.6)
    >>> round(float(result.statistic), 6), round(float(result.p_value), 6)
    (2.753282, 0.0059)
    """
    if variance not in ("null", "sample"):
        raise ValueError(f"variance must be 'null' or 'sample'; found {variance!r}")
    x, total = counts(successes, n)
    level = np.asarray(benchmark, dtype=np.float64)
    with np.errstate(all="ignore"):
        inside = np.where((level > 0.0) & (level < 1.0), level, np.nan)
        rate = x / total
        spread = rate if variance == "sample" else inside
        effect = rate - level
        se = np.sqrt(spread * (1.0 - spread) / total) + 0.0 * inside
        result = wald(effect, se, alpha=alpha, alternative=alternative)
        if continuity_correction:
            shrunk = np.sign(effect) * np.maximum(np.abs(effect) - 0.5 / total, 0.0)
            statistic = shrunk / np.where(se > 0.0, se, np.nan)
            result = result._replace(statistic=statistic, p_value=p_value(statistic, alternative=alternative))
    if variance == "sample":
        return result
    limits = wilson_interval(x, total, alpha=alpha, alternative=alternative)
    low, high = limits.ci_low - inside, limits.ci_high - inside
    return result._replace(
        ci_low=np.where(np.isneginf(result.ci_low), -np.inf, low),
        ci_high=np.where(np.isposinf(result.ci_high), np.inf, high),
    )


def exact_binomial_test(
    successes: npt.ArrayLike,
    n: npt.ArrayLike,
    benchmark: npt.ArrayLike,
    *,
    alternative: npt.ArrayLike = "two_sided",
) -> NDArray[np.float64]:
    """Exact p-value of a rate against a benchmark.

    The two-sided p-value adds up all outcomes that are no more likely than the observed one (R's ``binom.test``,
    scipy's ``binomtest``); it is not the doubled one-sided one.

    Parameters
    ----------
    successes, n : array_like
        Successes and trials, whole numbers; they broadcast.
    benchmark : array_like
        Rate under the null hypothesis, in [0, 1].
    alternative : array_like of str
        As in `python_stats.wald`.

    Returns
    -------
    ndarray
        p-values; NaN where the counts are impossible or not whole, or the benchmark is outside [0, 1].

    Raises
    ------
    UnknownAlternativeError
        For an unknown alternative.

    References
    ----------
    Conover, W. J. (1999). Practical Nonparametric Statistics, 3rd ed., section 3.1.

    Examples
    --------
    >>> round(float(exact_binomial_test(601, 933, 0.6)), 8)
    0.0061165
    """
    side = check_alternative(alternative)
    x, total = counts(successes, n)
    x, total, rate, side = np.broadcast_arrays(x, total, np.asarray(benchmark, dtype=np.float64), side)
    with np.errstate(all="ignore"):
        valid = (x == np.floor(x)) & (total == np.floor(total)) & (rate >= 0.0) & (rate <= 1.0)
        x, total, rate = (np.where(valid, value, np.nan) for value in (x, total, rate))
        lower, upper = _at_most(x, total, rate), _at_least(x, total, rate)
        opposite = _opposite_outcome(x, total, rate)
        below = x < total * rate
        both = np.where(
            below,
            lower + _at_least(opposite, total, rate),
            upper + _at_most(opposite, total, rate),
        )
        both = np.where(x == total * rate, 1.0, np.minimum(both, 1.0))
        return np.where(side == "greater", upper, np.where(side == "less", lower, both))


def _at_most(x: NDArray[np.float64], n: NDArray[np.float64], rate: NDArray[np.float64]) -> NDArray[np.float64]:
    """P(X <= x), also for x below 0."""
    return np.where(x < 0.0, 0.0, np.where(x >= n, 1.0, betaincc(x + 1.0, n - x, rate)))


def _at_least(x: NDArray[np.float64], n: NDArray[np.float64], rate: NDArray[np.float64]) -> NDArray[np.float64]:
    """P(X >= x), also for x above n."""
    tail = np.where(x <= 0.0, 1.0 + 0.0 * x, betainc(x, n - x + 1.0, rate))
    return np.where(x > n, 0.0, tail)


def _opposite_outcome(x: NDArray[np.float64], n: NDArray[np.float64], rate: NDArray[np.float64]) -> NDArray[np.float64]:
    """First outcome beyond the mean, seen from x, that is no more likely than x; -1 or n + 1 where there is none."""

    def log_probability(k: NDArray[np.float64]) -> NDArray[np.float64]:
        choices = gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0)
        return choices + xlogy(k, rate) + xlog1py(n - k, -rate)

    bar = log_probability(x) + TIE_TOLERANCE
    below = x < n * rate
    # Outcomes are searched as distances from the mean outward, where the probability only falls.
    near = np.where(below, np.ceil(n * rate), np.floor(n * rate))
    step = np.where(below, 1.0, -1.0)
    length = np.where(below, n - near, near)
    missed, found = -np.ones_like(near), length + 1.0
    for _ in range(64):
        open_ = found - missed > 1.0
        if not np.any(open_):
            break
        middle = np.floor((missed + found) / 2.0)
        unlikely = log_probability(near + step * middle) <= bar
        found = np.where(open_ & unlikely, middle, found)
        missed = np.where(open_ & ~unlikely, middle, missed)
    return near + step * found
