"""Planning a comparison of means: power, minimum detectable effect and sample size, exact inverses of each other.

Everything that enters is a variance per unit, so the same three functions plan
* a mean (its variance), or an adjusted one (its variance times ``1 - r ** 2`` with r the covariate's correlation);
* a ratio of sums (`python_stats.linearised_variance`);
* clusters (`python_stats.cluster_variance`, with clusters as the units);
* several treatments against one control (alpha divided by their number);
* non-inferiority (``null=-margin, alternative="greater"``, and an effect of 0).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray
from scipy.special import chdtri, nctdtr, ndtr, ndtri, stdtrit

from python_stats.bisection import increasing_root
from python_stats.wald import check_alternative, tail_alpha

DISTRIBUTIONS = ("normal", "t")

# Doublings of a trial sample size before a cell is given up; they span the whole range of a double.
MAX_DOUBLINGS = 1100


class PowerError(ValueError):
    """A target power that is not strictly between 0 and 1."""


class SampleSize(NamedTuple):
    """Units per arm, fractional, one element per cell.

    Attributes
    ----------
    n_control, n_treatment : ndarray
        Units in each arm; ``n_treatment = ratio * n_control``.
    """

    n_control: NDArray[np.float64]
    n_treatment: NDArray[np.float64]

    def rounded_up(self) -> SampleSize:
        """Return the whole numbers that reach the power: each arm is rounded up.

        Examples
        --------
        >>> [float(n) for n in SampleSize(np.array(3840.85), np.array(1920.42)).rounded_up()]
        [3841.0, 1921.0]
        """
        # A rounding error above a whole number is not another unit.
        return SampleSize(*(np.ceil(n * (1.0 - 1e-12)) for n in self))


def power_means(
    effect: npt.ArrayLike,
    n_control: npt.ArrayLike,
    *,
    var_control: npt.ArrayLike,
    var_treatment: npt.ArrayLike | None = None,
    ratio: npt.ArrayLike = 1.0,
    null: npt.ArrayLike = 0.0,
    distribution: str = "normal",
    both_tails: bool = False,
    alpha: npt.ArrayLike = 0.05,
    alternative: npt.ArrayLike = "two_sided",
) -> NDArray[np.float64]:
    """Probability that the test of two means finds a given true effect.

    By default a two-sided test counts as a success only when it is significant in the direction of the effect (R's
    ``power.t.test(strict=FALSE)``); ``both_tails=True`` adds the significant results in the wrong direction
    (``strict=TRUE``, statsmodels), which matters only when the power is low.

    Parameters
    ----------
    effect : array_like
        True effect, treatment minus control, in the metric's unit.
    n_control : array_like
        Units in control.
    var_control, var_treatment : array_like
        Variances per unit; the treatment's is the control's unless given.
    ratio : array_like, default 1
        ``n_treatment / n_control``.
    null : array_like, default 0
        Effect under the null hypothesis.
    distribution : {"normal", "t"}, default "normal"
        ``"t"`` is Welch's test at these variances: a noncentral t with the Welch-Satterthwaite degrees of freedom,
        which for equal variances and sizes are Student's ``2 * n - 2``.
    both_tails : bool, default False
        See above; no influence on one-sided alternatives.
    alpha, alternative : array_like
        As in `python_stats.wald`.

    Returns
    -------
    ndarray
        Power; NaN where the standard error is zero or missing, the size or the ratio is not positive, or (t only) an
        arm has fewer than two units.

    Raises
    ------
    ValueError
        For an unknown distribution or alternative, or an alpha outside (0, 1).

    References
    ----------
    Cohen, J. (1988). Statistical Power Analysis for the Behavioral Sciences, 2nd ed., chapter 2.

    Examples
    --------
    >>> round(float(power_means(1.5, 500, var_control=100, distribution="t")), 6)
    0.658899
    """
    design = _design(var_control, var_treatment, ratio, distribution, both_tails, alpha, alternative)
    n, distance = np.asarray(n_control, dtype=np.float64), np.subtract(effect, null, dtype=np.float64)
    with np.errstate(all="ignore"):
        return design.power(np.abs(distance), n, design.against(distance))


def mde_means(
    n_control: npt.ArrayLike,
    *,
    power: npt.ArrayLike = 0.8,
    var_control: npt.ArrayLike,
    var_treatment: npt.ArrayLike | None = None,
    ratio: npt.ArrayLike = 1.0,
    null: npt.ArrayLike = 0.0,
    distribution: str = "normal",
    both_tails: bool = False,
    alpha: npt.ArrayLike = 0.05,
    alternative: npt.ArrayLike = "two_sided",
) -> NDArray[np.float64]:
    """Minimum detectable effect of the test of two means: the effect at which `power_means` is the given power.

    Parameters
    ----------
    n_control : array_like
        Units in control.
    power : array_like, default 0.8
        Target power.
    var_control, var_treatment, ratio, null, distribution, both_tails, alpha, alternative
        As in `power_means`.

    Returns
    -------
    ndarray
        Effect in the metric's unit: above ``null`` for ``"two_sided"`` and ``"greater"``, below it for ``"less"``. NaN
        as in `power_means`, and where the target is not above the power at no distance from the null (alpha, or half of
        it in one tail).

    Raises
    ------
    ValueError
        As in `power_means`; PowerError for a target outside (0, 1).

    References
    ----------
    Bloom, H. S. (1995). Minimum detectable effects. Evaluation Review 19, 547-556.

    Examples
    --------
    >>> round(float(mde_means(500, var_control=100)), 6)
    1.771878
    """
    design = _design(var_control, var_treatment, ratio, distribution, both_tails, alpha, alternative)
    n, target = np.asarray(n_control, dtype=np.float64), check_power(power)
    with np.errstate(all="ignore"):
        se, df = design.se(n), design.df(n)
        magnitude = design.noncentrality(target, df) * se
        return np.asarray(null, dtype=np.float64) + np.where(design.side == "less", -magnitude, magnitude)


def sample_size_means(
    effect: npt.ArrayLike,
    *,
    power: npt.ArrayLike = 0.8,
    var_control: npt.ArrayLike,
    var_treatment: npt.ArrayLike | None = None,
    ratio: npt.ArrayLike = 1.0,
    null: npt.ArrayLike = 0.0,
    distribution: str = "normal",
    both_tails: bool = False,
    alpha: npt.ArrayLike = 0.05,
    alternative: npt.ArrayLike = "two_sided",
) -> SampleSize:
    """Units per arm at which `power_means` is the given power.

    Parameters
    ----------
    effect : array_like
        True effect, treatment minus control, in the metric's unit.
    power : array_like, default 0.8
        Target power.
    var_control, var_treatment, ratio, null, distribution, both_tails, alpha, alternative
        As in `power_means`.

    Returns
    -------
    SampleSize
        Fractional sizes (see `SampleSize.rounded_up`); for t never fewer than two units in an arm, even where fewer
        would do. NaN where the effect is at the null or on the wrong side of it, the target is not above the power
        there, or a variance or the ratio is missing or not positive.

    Raises
    ------
    ValueError
        As in `power_means`; PowerError for a target outside (0, 1).

    References
    ----------
    Cohen, J. (1988). Statistical Power Analysis for the Behavioral Sciences, 2nd ed., chapter 2.

    Examples
    --------
    >>> round(float(sample_size_means(0.25, var_control=1).n_control), 4)
    251.1642
    """
    design = _design(var_control, var_treatment, ratio, distribution, both_tails, alpha, alternative)
    target, distance = check_power(power), np.subtract(effect, null, dtype=np.float64)
    with np.errstate(all="ignore"):
        reach = np.where(design.against(distance) | (distance == 0.0), np.nan, np.abs(distance))
        n = (design.noncentrality(target, np.asarray(np.inf)) / reach) ** 2 * design.unit_variance
        if distribution == "t":
            least = 2.0 / np.minimum(1.0, design.ratio)
            low = np.maximum(n, least)
            enough = design.power(reach, low, np.zeros(low.shape, dtype=bool)) >= target
            searched = _least_size(lambda size: design.power(reach, size, np.asarray(False)) - target, low)
            n = np.where(enough, low, searched)
        n, ratio_ = np.broadcast_arrays(n, design.ratio)
        return SampleSize(n_control=n.copy(), n_treatment=n * ratio_)


def check_power(power: npt.ArrayLike) -> NDArray[np.float64]:
    """Return the target power as an array of floats, or refuse it in words.

    Parameters
    ----------
    power : array_like
        Target power, one or one per cell.

    Returns
    -------
    ndarray
        Same shape as the argument.

    Raises
    ------
    PowerError
        When any element is not strictly between 0 and 1 (so also when it is NaN).

    Examples
    --------
    >>> float(check_power(0.8))
    0.8
    """
    target = np.asarray(power, dtype=np.float64)
    outside = ~((target > 0.0) & (target < 1.0))
    if np.any(outside):
        raise PowerError(f"power must be strictly between 0 and 1; found {target[outside].flat[0]}")
    return target


class _Design(NamedTuple):
    """What is fixed about the test before size, effect or power is asked for."""

    part_control: NDArray[np.float64]
    part_treatment: NDArray[np.float64]
    ratio: NDArray[np.float64]
    student: bool
    both_tails: bool
    tail: NDArray[np.float64]
    side: NDArray[np.str_]

    @property
    def unit_variance(self) -> NDArray[np.float64]:
        """Variance of the effect with one unit in control."""
        total = self.part_control + self.part_treatment
        return np.where((total > 0.0) & np.isfinite(total), total, np.nan)

    def se(self, n: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the standard error of the effect."""
        return np.sqrt(self.unit_variance / np.where(n > 0.0, n, np.nan))

    def df(self, n: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the degrees of freedom; infinite for the normal."""
        if not self.student:
            return np.asarray(np.inf)
        share = self.part_control / self.unit_variance
        df = 1.0 / (share**2 / (n - 1.0) + (1.0 - share) ** 2 / (n * self.ratio - 1.0))
        # Two units divided and multiplied by a ratio may come back a rounding error short.
        return np.where(n * np.minimum(1.0, self.ratio) >= 2.0 * (1.0 - 1e-12), df, np.nan)

    def against(self, distance: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Tell where the effect lies on the side of the null that the alternative does not look at."""
        return ((self.side == "greater") & (distance < 0.0)) | ((self.side == "less") & (distance > 0.0))

    def power(
        self, distance: NDArray[np.float64], n: NDArray[np.float64], against: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Return the power at a distance from the null."""
        shift = distance / self.se(n)
        return self.rejection(np.where(against, -shift, shift), self.df(n))

    def rejection(self, shift: NDArray[np.float64], df: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probability of a significant result when the statistic is shifted towards the alternative."""
        critical = stdtrit(df, self.tail)
        result = _shifted_tail(critical, shift, df)
        if self.both_tails:
            result = result + np.where(self.side == "two_sided", _shifted_tail(critical, -shift, df), 0.0)
        return result

    def noncentrality(self, target: NDArray[np.float64], df: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the shift in standard errors at which the power is the target."""
        nothing = np.where((self.side == "two_sided") & self.both_tails, 2.0 * self.tail, self.tail)
        target, df, nothing = np.broadcast_arrays(target, df, nothing)
        target = np.where(target > nothing, target, np.nan)
        if not self.student and not self.both_tails:
            return ndtri(target) - ndtri(self.tail)
        # With few degrees of freedom the statistic's own denominator varies too; twice its quantile bounds the root.
        finite = np.where(np.isinf(df), 1.0, df)
        denominator = np.where(np.isinf(df), 1.0, 1.0 + np.sqrt(chdtri(finite, 1.0 - target) / finite))
        bound = 2.0 * denominator * (1.0 - stdtrit(df, self.tail)) + 2.0 * np.abs(ndtri(target)) + 10.0
        return increasing_root(lambda shift: self.rejection(shift, df) - target, 0.0, bound)


def _shifted_tail(
    critical: NDArray[np.float64], shift: NDArray[np.float64], df: NDArray[np.float64]
) -> NDArray[np.float64]:
    """P(T > -critical) for a noncentral t (normal for infinite df), written as a lower tail so that it keeps digits."""
    if np.all(np.isinf(df)):
        return ndtr(critical + shift)
    finite = np.where(np.isinf(df), 1.0, df)
    noncentral = nctdtr(finite, -shift, critical)
    # Far against the shift, where the probability is below 1e-19, the noncentral t fails; the normal serves as well.
    return np.where(np.isinf(df) | np.isnan(noncentral), ndtr(critical + shift), noncentral)


def _least_size(
    surplus: Callable[[NDArray[np.float64]], NDArray[np.float64]], low: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Find the size at which an increasing surplus of power turns positive, from a size below it."""
    high = 2.0 * low
    for _ in range(MAX_DOUBLINGS):
        short = surplus(high) < 0.0
        if not np.any(short):
            break
        high = np.where(short, 2.0 * high, high)
    return increasing_root(surplus, low, high)


def _design(
    var_control: npt.ArrayLike,
    var_treatment: npt.ArrayLike | None,
    ratio: npt.ArrayLike,
    distribution: str,
    both_tails: bool,
    alpha: npt.ArrayLike,
    alternative: npt.ArrayLike,
) -> _Design:
    """Check the arguments that describe the test."""
    if distribution not in DISTRIBUTIONS:
        raise ValueError(f"distribution must be one of {', '.join(DISTRIBUTIONS)}; found {distribution!r}")
    side = check_alternative(alternative)
    control = np.asarray(var_control, dtype=np.float64)
    treatment = control if var_treatment is None else np.asarray(var_treatment, dtype=np.float64)
    split = np.asarray(ratio, dtype=np.float64)
    with np.errstate(all="ignore"):
        split = np.where((split > 0.0) & np.isfinite(split), split, np.nan)
        return _Design(
            part_control=np.where(control >= 0.0, control, np.nan),
            part_treatment=np.where(treatment >= 0.0, treatment, np.nan) / split,
            ratio=split,
            student=distribution == "t",
            both_tails=both_tails,
            tail=tail_alpha(alpha, side),
            side=side,
        )
