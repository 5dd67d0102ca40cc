"""Planning a comparison of two rates: power, minimum detectable effect, sample size, exact inverses of each other."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from python_stats.bisection import increasing_root
from python_stats.planning.power_means import SampleSize, check_power
from python_stats.rates.proportion_score import restricted_rates
from python_stats.wald import check_alternative, tail_alpha

METHODS = ("score", "unpooled", "arcsine", "continuity_corrected")
DIRECTIONS = ("increase", "decrease")


def power_proportions(
    rate_control: npt.ArrayLike,
    rate_treatment: npt.ArrayLike,
    n_control: npt.ArrayLike,
    *,
    ratio: npt.ArrayLike = 1.0,
    null: npt.ArrayLike = 0.0,
    method: str = "score",
    both_tails: bool = False,
    alpha: npt.ArrayLike = 0.05,
    alternative: npt.ArrayLike = "two_sided",
) -> NDArray[np.float64]:
    """Probability that the z test of two rates finds a given true difference.

    Four formulas go by this name, and "the" sample size differs between them:

    * ``"score"``: the test uses the null hypothesis's variance, which is the pooled one at ``null=0`` (R's
      ``power.prop.test``, Fleiss) and Farrington and Manning's at a margin. It belongs to `two_proportion_z` and
      `farrington_manning`.
    * ``"unpooled"``: the test uses the rates' own variances (Wald).
    * ``"arcsine"``: Cohen's h, which statsmodels' ``NormalIndPower`` with ``proportion_effectsize`` and R's pwr use
      (both with ``both_tails=True``).
    * ``"continuity_corrected"``: the pooled formula for the test with Yates' correction (Casagrande and Pike, Fleiss).

    Parameters
    ----------
    rate_control, rate_treatment : array_like
        True rates.
    n_control : array_like
        Units in control.
    ratio : array_like, default 1
        ``n_treatment / n_control``.
    null : array_like, default 0
        Treatment minus control under the null hypothesis: minus the margin for the non-inferiority of a rate that
        should be high, with ``alternative="greater"``.
    method : {"score", "unpooled", "arcsine", "continuity_corrected"}, default "score"
        See above; the last two know only ``null=0``.
    both_tails : bool, default False
        Count two-sided significant results in the wrong direction as well, as in `python_stats.power_means`.
    alpha, alternative : array_like
        As in `python_stats.wald`.

    Returns
    -------
    ndarray
        Power; NaN where a rate is outside [0, 1] or the size or the ratio is not positive.

    Raises
    ------
    ValueError
        For an unknown method or alternative, an alpha outside (0, 1), or a null other than 0 where the method has none.

    References
    ----------
    Fleiss, J. L., Levin, B. and Paik, M. C. (2003). Statistical Methods for Rates and Proportions, 3rd ed., chapter 4.
    Farrington, C. P. and Manning, G. (1990). Test statistics and sample size formulae for comparative binomial trials
    with null hypothesis of non-zero risk difference or non-unity relative risk. Statistics in Medicine 9, 1447-1454.
    Casagrande, J. T., Pike, M. C. and Smith, P. G. (1978). An improved approximate formula for calculating sample sizes
    for comparing two binomial distributions. Biometrics 34, 483-486.

    Examples
    --------
    >>> round(float(power_proportions(0.1, 0.12, 3840.847482)), 6)
    0.8
    """
    test = _test(null, method, both_tails, alpha, alternative)
    n = np.asarray(n_control, dtype=np.float64)
    with np.errstate(all="ignore"):
        scale = _scale(test, rate_control, rate_treatment, ratio)
        n = np.where(n > 0.0, n, np.nan)
        if method == "continuity_corrected":
            # Fleiss's formula solved for the uncorrected size; below that size the corrected statistic is always 0.
            n = np.maximum(np.sqrt(n) - scale.correction / (4.0 * np.sqrt(n)), 0.0) ** 2
        return _power(test, scale, np.sqrt(n))


def mde_proportions(
    rate_control: npt.ArrayLike,
    n_control: npt.ArrayLike,
    *,
    power: npt.ArrayLike = 0.8,
    direction: str = "increase",
    ratio: npt.ArrayLike = 1.0,
    null: npt.ArrayLike = 0.0,
    method: str = "score",
    both_tails: bool = False,
    alpha: npt.ArrayLike = 0.05,
    alternative: npt.ArrayLike = "two_sided",
) -> NDArray[np.float64]:
    """Minimum detectable difference of two rates: the one at which `power_proportions` is the given power.

    Up and down differ, because the variance changes with the rate.

    Parameters
    ----------
    rate_control : array_like
        Rate of control.
    n_control : array_like
        Units in control.
    power : array_like, default 0.8
        Target power.
    direction : {"increase", "decrease"}, default "increase"
        Which difference is wanted for a two-sided alternative; one-sided ones look only their own way.
    ratio, null, method, both_tails, alpha, alternative
        As in `power_proportions`.

    Returns
    -------
    ndarray
        Treatment minus control, negative for a decrease. NaN as in `power_proportions`, where no rate within [0, 1] has
        the power, and where the target is not above the power at the null.

    Raises
    ------
    ValueError
        As in `power_proportions`, and for an unknown direction; PowerError for a target outside (0, 1).

    References
    ----------
    Fleiss, J. L., Levin, B. and Paik, M. C. (2003). Statistical Methods for Rates and Proportions, 3rd ed., chapter 4.

    Examples
    --------
    >>> round(float(mde_proportions(0.1, 5000)), 6), round(float(mde_proportions(0.1, 5000, direction="decrease")), 6)
    (0.01744, -0.016185)
    """
    if direction not in DIRECTIONS:
        raise ValueError(f"direction must be one of {', '.join(DIRECTIONS)}; found {direction!r}")
    target = check_power(power)
    side = check_alternative(alternative)
    numbers = (np.asarray(x, dtype=np.float64) for x in (rate_control, n_control, target, ratio, null, alpha))
    base, n, target, split, gap, level, side = np.broadcast_arrays(*numbers, side)
    with np.errstate(all="ignore"):
        up = np.where(side == "two_sided", direction == "increase", side == "greater")
        start = base + gap
        end = np.where(up, 1.0, 0.0)

        def surplus(share: NDArray[np.float64]) -> NDArray[np.float64]:
            rate = start + share * (end - start)
            reached = power_proportions(
                base,
                rate,
                n,
                ratio=split,
                null=gap,
                method=method,
                both_tails=both_tails,
                alpha=level,
                alternative=side,
            )
            return reached - target

        # The last rate before certainty stands for the end of the range, where the unpooled variance may vanish.
        reachable = (surplus(np.full(base.shape, 1.0 - 1e-9)) >= 0.0) & (surplus(np.full(base.shape, 1e-9)) < 0.0)
        share = increasing_root(surplus, np.zeros(base.shape), np.ones(base.shape))
        return np.where(reachable, gap + share * (end - start), np.nan)


def sample_size_proportions(
    rate_control: npt.ArrayLike,
    rate_treatment: npt.ArrayLike,
    *,
    power: npt.ArrayLike = 0.8,
    ratio: npt.ArrayLike = 1.0,
    null: npt.ArrayLike = 0.0,
    method: str = "score",
    both_tails: bool = False,
    alpha: npt.ArrayLike = 0.05,
    alternative: npt.ArrayLike = "two_sided",
) -> SampleSize:
    """Units per arm at which `power_proportions` is the given power.

    Parameters
    ----------
    rate_control, rate_treatment : array_like
        True rates.
    power : array_like, default 0.8
        Target power.
    ratio, null, method, both_tails, alpha, alternative
        As in `power_proportions`.

    Returns
    -------
    SampleSize
        Fractional sizes (see `SampleSize.rounded_up`). NaN as in `power_proportions`, where the difference is at the
        null or on the wrong side of it, and where the target is not above the power at the null.

    Raises
    ------
    ValueError
        As in `power_proportions`; PowerError for a target outside (0, 1).

    References
    ----------
    Fleiss, J. L., Levin, B. and Paik, M. C. (2003). Statistical Methods for Rates and Proportions, 3rd ed., chapter 4.

    Examples
    --------
    >>> [float(n) for n in sample_size_proportions(0.1, 0.12).rounded_up()]
    [3841.0, 3841.0]
    >>> round(float(sample_size_proportions(0.1, 0.12, method="arcsine", both_tails=True).n_control), 4)
    3834.5957
    """
    test = _test(null, method, both_tails, alpha, alternative)
    target = check_power(power)
    with np.errstate(all="ignore"):
        scale = _scale(test, rate_control, rate_treatment, ratio)
        root_n = (ndtri(target) * scale.sd_true - ndtri(test.tail) * scale.sd_null) / scale.distance
        if both_tails:
            # The other tail only adds power, so the size is smaller.
            bound = np.where(root_n > 0.0, root_n, np.nan)
            root_n = increasing_root(lambda root: _power(test, scale, root) - target, 0.0 * bound, bound)
        nothing = np.where((test.side == "two_sided") & both_tails, 2.0 * test.tail, test.tail)
        root_n = np.where((scale.distance > 0.0) & (root_n > 0.0) & (target > nothing), root_n, np.nan)
        n = root_n**2
        if method == "continuity_corrected":
            n = n / 4.0 * (1.0 + np.sqrt(1.0 + scale.correction / n)) ** 2
        n, split = np.broadcast_arrays(n, np.asarray(ratio, dtype=np.float64))
        return SampleSize(n_control=n.copy(), n_treatment=n * split)


class _Test(NamedTuple):
    """What is fixed about the test before rates, size or power are known."""

    null: NDArray[np.float64]
    method: str
    both_tails: bool
    tail: NDArray[np.float64]
    side: NDArray[np.str_]


class _Scale(NamedTuple):
    """Distance from the null towards the alternative, and the standard deviations of one unit in control."""

    distance: NDArray[np.float64]
    sd_null: NDArray[np.float64]
    sd_true: NDArray[np.float64]
    correction: NDArray[np.float64]


def _test(
    null: npt.ArrayLike, method: str, both_tails: bool, alpha: npt.ArrayLike, alternative: npt.ArrayLike
) -> _Test:
    """Check the arguments that describe the test."""
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}; found {method!r}")
    gap = np.asarray(null, dtype=np.float64)
    if method in ("arcsine", "continuity_corrected") and np.any(gap != 0.0):
        raise ValueError(f"method {method!r} is defined for null=0 only; use 'score' or 'unpooled' with a margin")
    side = check_alternative(alternative)
    return _Test(null=gap, method=method, both_tails=both_tails, tail=tail_alpha(alpha, side), side=side)


def _scale(test: _Test, rate_control: npt.ArrayLike, rate_treatment: npt.ArrayLike, ratio: npt.ArrayLike) -> _Scale:
    """Return the distance and the standard deviations of a method."""
    rate_c, rate_t = np.asarray(rate_control, dtype=np.float64), np.asarray(rate_treatment, dtype=np.float64)
    split = np.asarray(ratio, dtype=np.float64)
    split = np.where((split > 0.0) & np.isfinite(split), split, np.nan)
    rate_c, rate_t = (np.where((rate >= 0.0) & (rate <= 1.0), rate, np.nan) for rate in (rate_c, rate_t))
    difference = rate_t - rate_c - test.null
    toward = np.select([test.side == "greater", test.side == "less"], [difference, -difference], np.abs(difference))
    correction = 2.0 * (1.0 + split) / (split * np.abs(difference))
    if test.method == "arcsine":
        angle = 2.0 * (np.arcsin(np.sqrt(rate_t)) - np.arcsin(np.sqrt(rate_c)))
        toward = np.select([test.side == "greater", test.side == "less"], [angle, -angle], np.abs(angle))
        sd = np.sqrt(1.0 + 1.0 / split)
        return _Scale(distance=toward, sd_null=sd, sd_true=sd, correction=correction)
    sd_true = np.sqrt(rate_c * (1.0 - rate_c) + rate_t * (1.0 - rate_t) / split)
    if test.method == "unpooled":
        return _Scale(distance=toward, sd_null=sd_true, sd_true=sd_true, correction=correction)
    # Expected counts of one unit in control stand for the data; at null = 0 the restricted rates are the pooled one.
    null_c, null_t = restricted_rates(rate_c, 1.0, split * rate_t, split, test.null)
    sd_null = np.sqrt(null_c * (1.0 - null_c) + null_t * (1.0 - null_t) / split)
    return _Scale(distance=toward, sd_null=sd_null, sd_true=sd_true, correction=correction)


def _power(test: _Test, scale: _Scale, root_n: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the power at a root of the (uncorrected) size."""
    critical, shift = ndtri(test.tail) * scale.sd_null, root_n * scale.distance
    result = ndtr((critical + shift) / scale.sd_true)
    if test.both_tails:
        result = result + np.where(test.side == "two_sided", ndtr((critical - shift) / scale.sd_true), 0.0)
    return result
