"""Bayesian reading of a comparison: posterior probabilities, credible intervals, expected losses.

Beta-binomial for rates, normal-normal for any effect with a standard error. The metric is read as "more is better";
for one that should decrease, the two probabilities and the two losses change places.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray
from scipy.special import betainc, betaincc, betaincinv, digamma, erfcx, expit, ndtr, ndtri, polygamma

from python_stats.arguments import takes_summaries
from python_stats.wald import check_alpha

# The trapezoidal rule on the sinh scale converges faster than any power of the step, and 40 standard deviations on
# either side hold even the exponential tails that a posterior with a count of zero has on the logit scale. Such a
# posterior also has an edge at 0 or 1, at which the difference of two rates converges with the square of the step only.
# Many counts make a posterior nearly normal on the logit scale: 12 standard deviations and wider steps lose nothing.
FEW, MANY = 10.0, 200.0
GRIDS = {"few": (0.0175, 252), "some": (0.07, 63), "many": (0.1, 32)}

SMALLEST_PRIOR = 0.3

BLOCK_OF_CELLS = 256


class PriorError(ValueError):
    """A prior parameter out of range."""


class BetaBinomial(NamedTuple):
    """Posteriors of two rates and of their difference, one element per cell.

    Attributes
    ----------
    mean_control, mean_treatment : ndarray
        Posterior means of the rates.
    ci_low_control, ci_high_control, ci_low_treatment, ci_high_treatment : ndarray
        Equal-tailed credible limits of the rates.
    probability_greater, probability_less : ndarray
        Posterior probabilities that the treatment's rate is the larger and the smaller one; both are integrals, not
        complements, so neither loses digits near 0.
    loss_ship, loss_keep : ndarray
        Expected losses, in the unit of the rate, of choosing the treatment, ``E[max(control - treatment, 0)]``, and of
        keeping the control, ``E[max(treatment - control, 0)]``.
    effect, ci_low, ci_high : ndarray
        Posterior mean and equal-tailed credible limits of the difference of the rates, treatment minus control.
    lift, lift_ci_low, lift_ci_high : ndarray
        Posterior median (the mean may not exist) and equal-tailed credible limits of ``treatment / control - 1``.
    """

    mean_control: NDArray[np.float64]
    mean_treatment: NDArray[np.float64]
    ci_low_control: NDArray[np.float64]
    ci_high_control: NDArray[np.float64]
    ci_low_treatment: NDArray[np.float64]
    ci_high_treatment: NDArray[np.float64]
    probability_greater: NDArray[np.float64]
    probability_less: NDArray[np.float64]
    loss_ship: NDArray[np.float64]
    loss_keep: NDArray[np.float64]
    effect: NDArray[np.float64]
    ci_low: NDArray[np.float64]
    ci_high: NDArray[np.float64]
    lift: NDArray[np.float64]
    lift_ci_low: NDArray[np.float64]
    lift_ci_high: NDArray[np.float64]


class NormalNormal(NamedTuple):
    """Posterior of an effect, one element per cell.

    Attributes
    ----------
    mean, sd : ndarray
        Mean and standard deviation of the normal posterior, in the unit of the effect.
    probability_greater, probability_less : ndarray
        Posterior probabilities that the effect is above and below zero.
    ci_low, ci_high : ndarray
        Equal-tailed credible limits.
    loss_ship, loss_keep : ndarray
        Expected losses of choosing the treatment, ``E[max(-effect, 0)]``, and of keeping the control,
        ``E[max(effect, 0)]``.
    """

    mean: NDArray[np.float64]
    sd: NDArray[np.float64]
    probability_greater: NDArray[np.float64]
    probability_less: NDArray[np.float64]
    ci_low: NDArray[np.float64]
    ci_high: NDArray[np.float64]
    loss_ship: NDArray[np.float64]
    loss_keep: NDArray[np.float64]


class _Beta(NamedTuple):
    a: NDArray[np.float64]
    b: NDArray[np.float64]


@takes_summaries("the number of successes and of units")
def beta_binomial(
    successes_control: npt.ArrayLike,
    n_control: npt.ArrayLike,
    successes_treatment: npt.ArrayLike,
    n_treatment: npt.ArrayLike,
    *,
    prior_successes: npt.ArrayLike = 1.0,
    prior_failures: npt.ArrayLike = 1.0,
    alpha: npt.ArrayLike = 0.05,
    lift: bool = True,
) -> BetaBinomial:
    """Compare two rates by independent beta posteriors.

    Every arm's posterior is ``Beta(prior_successes + successes, prior_failures + failures)``: (1, 1) is the uniform
    prior, (0.5, 0.5) Jeffreys'. Probabilities, losses and limits of the lift are integrals over the narrower posterior,
    right to at least eight digits at any size; no normal approximation (which some tools use) and no simulation. The
    limits of the difference are as good, except that with counts of zero in both arms they are right to 0.01 posterior
    standard deviations.

    Parameters
    ----------
    successes_control, n_control, successes_treatment, n_treatment : array_like
        Units with the outcome and units, per arm.
    prior_successes, prior_failures : array_like, default 1
        Parameters of the beta prior of both arms, at least 0.3: nearer to 0 the posterior of a count of zero piles up
        at 0 or 1 and its integrals are no longer right.
    alpha : array_like, default 0.05
        One minus the credibility of the intervals, one or one per cell.
    lift : bool, default True
        Without the lift and its limits (NaN then) the rest costs a third.

    Returns
    -------
    BetaBinomial
        Arrays of the common shape; NaN where an arm has no units, a count is missing or negative, or successes exceed
        units.

    Raises
    ------
    PriorError, AlphaError
        For a prior parameter below 0.3, or an alpha outside (0, 1); both are ValueErrors.

    References
    ----------
    Stucchio, C. (2015). Bayesian A/B testing at VWO. Technical report (expected loss).
    Trefethen, L. N. and Weideman, J. A. C. (2014). The exponentially convergent trapezoidal rule. SIAM Review 56,
    385-458.

    Examples
    --------
    >>> result = beta_binomial(42, 400, 55, 410)
    >>> round(float(result.probability_greater), 6), round(float(result.loss_ship), 8)
    (0.898174, 0.00110965)
    >>> round(float(result.ci_low), 4), round(float(result.ci_high), 4)
    (-0.0158, 0.0738)
    """
    prior_a, prior_b = (np.asarray(prior, dtype=np.float64) for prior in (prior_successes, prior_failures))
    for prior in (prior_a, prior_b):
        wrong = ~((prior >= SMALLEST_PRIOR) & np.isfinite(prior))
        if np.any(wrong):
            found = prior[wrong].flat[0]
            raise PriorError(f"a prior parameter must be at least {SMALLEST_PRIOR} and finite; found {found}")
    counts = (
        np.asarray(count, dtype=np.float64)
        for count in (successes_control, n_control, successes_treatment, n_treatment)
    )
    hits_c, size_c, hits_t, size_t, prior_a, prior_b, level = np.broadcast_arrays(
        *counts, prior_a, prior_b, check_alpha(alpha)
    )
    shape, level = level.shape, level.ravel()
    arms = []
    for hits, size in ((hits_c, size_c), (hits_t, size_t)):
        usable = (hits >= 0.0) & (hits <= size) & (size >= 1.0) & np.isfinite(size)
        arms.append(
            _Beta(*(np.where(usable, part, np.nan).ravel() for part in (prior_a + hits, prior_b + size - hits)))
        )
    missing = np.isnan(arms[0].a) | np.isnan(arms[1].a)
    control, treatment = (_Beta(*(np.where(missing, np.nan, part) for part in arm)) for arm in arms)
    numbers = np.full((9, missing.size), np.nan)
    fewest = np.minimum(np.minimum(*control), np.minimum(*treatment))
    tier = np.where(fewest < FEW, "few", np.where(fewest < MANY, "some", "many"))
    for name, (step, reach) in GRIDS.items():
        grid = step * np.arange(-reach, reach + 1)
        answerable = np.flatnonzero(~missing & (tier == name))
        for start in range(0, answerable.size, BLOCK_OF_CELLS):
            block = answerable[start : start + BLOCK_OF_CELLS]
            arms = [_Beta(*(part[block] for part in arm)) for arm in (control, treatment)]
            numbers[:, block] = _compare(*arms, level[block], grid, lift)
    greater, less, loss_ship, loss_keep, low, high, lift_mid, lift_low, lift_high = numbers
    limits = (betaincinv(arm.a, arm.b, tail) for arm in (control, treatment) for tail in (level / 2, 1 - level / 2))
    mean_c, mean_t = _mean(control), _mean(treatment)
    parts = (mean_c, mean_t, *limits, greater, less, loss_ship, loss_keep, mean_t - mean_c, low, high)
    return BetaBinomial(*(part.reshape(shape) for part in (*parts, lift_mid, lift_low, lift_high)))


def normal_normal(
    effect: npt.ArrayLike,
    se: npt.ArrayLike,
    *,
    prior_mean: npt.ArrayLike = 0.0,
    prior_sd: npt.ArrayLike = np.inf,
    alpha: npt.ArrayLike = 0.05,
) -> NormalNormal:
    """Posterior of an effect with a normal likelihood and a normal prior.

    Parameters
    ----------
    effect, se : array_like
        Estimated effect, treatment minus control, and its standard error (taken as known).
    prior_mean, prior_sd : array_like
        Mean and standard deviation of the prior of the effect, in its unit; an infinite standard deviation (the
        default) is the flat prior, whose posterior is the likelihood.
    alpha : array_like, default 0.05
        One minus the credibility of the interval, one or one per cell.

    Returns
    -------
    NormalNormal
        Arrays of the common shape; NaN where the effect or the standard error is missing or the latter not positive.

    Raises
    ------
    PriorError, AlphaError
        For a prior standard deviation that is not positive, a prior mean that is not finite, or an alpha outside
        (0, 1); both are ValueErrors.

    References
    ----------
    Gelman, A. et al. (2013). Bayesian data analysis, 3rd ed., section 2.5. Chapman & Hall.

    Examples
    --------
    >>> result = normal_normal(0.02, 0.01, prior_sd=0.01)
    >>> round(float(result.mean), 6), round(float(result.probability_greater), 6), round(float(result.loss_ship), 8)
    (0.01, 0.92135, 0.00025127)
    """
    centre, spread = np.asarray(prior_mean, dtype=np.float64), np.asarray(prior_sd, dtype=np.float64)
    if not np.all(spread > 0.0):
        raise PriorError(f"prior_sd must be positive; found {spread[~(spread > 0.0)].flat[0]}")
    if not np.all(np.isfinite(centre)):
        raise PriorError(f"prior_mean must be finite; found {centre[~np.isfinite(centre)].flat[0]}")
    estimate, error, centre, spread, level = np.broadcast_arrays(
        np.asarray(effect, dtype=np.float64), np.asarray(se, dtype=np.float64), centre, spread, check_alpha(alpha)
    )
    with np.errstate(all="ignore"):
        usable = np.isfinite(estimate) & np.isfinite(error) & (error > 0.0)
        error = np.where(usable, error, np.nan)
        weight = 1.0 / (1.0 + (error / spread) ** 2)
        mean = centre + weight * (estimate - centre)
        sd = error * np.sqrt(weight)
        z = mean / sd
        half = -ndtri(level / 2.0) * sd
        return NormalNormal(
            mean=mean,
            sd=sd,
            probability_greater=ndtr(z),
            probability_less=ndtr(-z),
            ci_low=mean - half,
            ci_high=mean + half,
            loss_ship=sd * _partial_expectation(-z),
            loss_keep=sd * _partial_expectation(z),
        )


def _partial_expectation(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """E[max(X, 0)] of a normal with mean z and standard deviation 1, without underflow of one of two large terms."""
    away = np.abs(z)
    tail = np.exp(-0.5 * away**2) * (1.0 / np.sqrt(2.0 * np.pi) - 0.5 * away * erfcx(away / np.sqrt(2.0)))
    return np.where(z > 0.0, z + tail, tail)


def _mean(beta: _Beta) -> NDArray[np.float64]:
    return beta.a / (beta.a + beta.b)


def _variance(beta: _Beta) -> NDArray[np.float64]:
    return _mean(beta) * (1.0 - _mean(beta)) / (beta.a + beta.b + 1.0)


def _logit_variance(beta: _Beta) -> NDArray[np.float64]:
    return polygamma(1, beta.a) + polygamma(1, beta.b)


def _log_mean(beta: _Beta) -> NDArray[np.float64]:
    return digamma(beta.a) - digamma(beta.a + beta.b)


def _log_variance(beta: _Beta) -> NDArray[np.float64]:
    return polygamma(1, beta.a) - polygamma(1, beta.a + beta.b)


def _relative_log_density(beta: _Beta, s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log density of the logit relative to its mode; differences from the mode keep the digits at large counts."""
    a, b = beta.a[:, None], beta.b[:, None]
    moved, top = s - np.log(a / b), a / (a + b)
    with np.errstate(over="ignore"):
        near = np.log1p(top * np.expm1(np.clip(moved, -1.0, 1.0)))
        far = np.logaddexp(-np.log1p(a / b), moved - np.log1p(b / a))
    return a * moved - (a + b) * np.where(np.abs(moved) < 1.0, near, far)


def _nodes(
    beta: _Beta, grid: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Points on the logit scale, probability weights of the posterior there, and its normalising constant."""
    centre, sd = digamma(beta.a) - digamma(beta.b), np.sqrt(_logit_variance(beta))
    s = centre[:, None] + sd[:, None] * np.sinh(grid)
    weight = np.exp(_relative_log_density(beta, s)) * np.cosh(grid)
    total = weight.sum(axis=1)
    return s, weight / total[:, None], total * (grid[1] - grid[0]) * sd


def _tails(beta: _Beta, s: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Probabilities below and above a point on the logit scale, neither as a complement."""
    a, b = np.broadcast_arrays(beta.a[:, None], beta.b[:, None])
    first, second = np.where(s < 0.0, a, b), np.where(s < 0.0, b, a)
    share = expit(-np.abs(s))
    inner, outer = betainc(first, second, share), betaincc(first, second, share)
    return np.where(s < 0.0, inner, outer), np.where(s < 0.0, outer, inner)


def _order(
    control: _Beta, treatment: _Beta, variance: Callable[[_Beta], NDArray[np.float64]]
) -> tuple[_Beta, _Beta, NDArray[np.bool_]]:
    """Narrower and wider posterior, and whether the narrower one is the control's.

    Between two nodes of the narrower one, the distribution function of the wider one is smooth.
    """
    swap = variance(control) < variance(treatment)
    narrow = _Beta(*(np.where(swap, c, t) for c, t in zip(control, treatment, strict=True)))
    wide = _Beta(*(np.where(swap, t, c) for c, t in zip(control, treatment, strict=True)))
    return narrow, wide, swap


def _compare(
    control: _Beta, treatment: _Beta, level: NDArray[np.float64], grid: NDArray[np.float64], lift: bool
) -> tuple[NDArray[np.float64], ...]:
    narrow, wide, swap = _order(control, treatment, _logit_variance)
    s, weight, _ = _nodes(narrow, grid)
    smaller, larger = _tails(wide, s)
    narrow_greater, narrow_less = (weight * smaller).sum(axis=1), (weight * larger).sum(axis=1)
    density = np.exp(_relative_log_density(wide, s)) / (_nodes(wide, grid)[2] * (wide.a + wide.b))[:, None]
    distance = expit(s) - _mean(wide)[:, None]
    gain_narrow = (weight * np.maximum(distance * smaller + density, 0.0)).sum(axis=1)
    gain_wide = (weight * np.maximum(density - distance * larger, 0.0)).sum(axis=1)
    greater, less = np.where(swap, narrow_less, narrow_greater), np.where(swap, narrow_greater, narrow_less)
    loss_ship, loss_keep = np.where(swap, gain_narrow, gain_wide), np.where(swap, gain_wide, gain_narrow)
    tails = level / 2.0, 1.0 - level / 2.0
    difference = _difference_quantiles(control, treatment, grid, tails)
    log_ratio = (
        _log_ratio_quantiles(control, treatment, grid, (np.full_like(level, 0.5), *tails))
        if lift
        else [np.full_like(level, np.nan)] * 3
    )
    # A sum of all weights may end a rounding error above 1.
    greater, less = np.minimum(greater, 1.0), np.minimum(less, 1.0)
    return greater, less, loss_ship, loss_keep, *difference, *(np.expm1(u) for u in log_ratio)


def _difference_quantiles(
    control: _Beta, treatment: _Beta, grid: NDArray[np.float64], probabilities: tuple[NDArray[np.float64], ...]
) -> list[NDArray[np.float64]]:
    """Quantiles of treatment - control."""
    narrow, wide, swap = _order(control, treatment, _variance)
    s, weight, _ = _nodes(narrow, grid)
    rate = expit(s)

    def distribution(d: NDArray[np.float64]) -> NDArray[np.float64]:
        point = np.clip(rate + np.where(swap, d, -d)[:, None], 0.0, 1.0)
        return (weight * _chance(wide, point, swap)).sum(axis=1)

    centre, scale = _mean(treatment) - _mean(control), np.sqrt(_variance(treatment) + _variance(control))
    return [_quantile(distribution, probability, centre, scale) for probability in probabilities]


def _log_ratio_quantiles(
    control: _Beta, treatment: _Beta, grid: NDArray[np.float64], probabilities: tuple[NDArray[np.float64], ...]
) -> list[NDArray[np.float64]]:
    """Quantiles of log(treatment / control)."""
    narrow, wide, swap = _order(control, treatment, _log_variance)
    s, weight, _ = _nodes(narrow, grid)
    log_rate = -np.logaddexp(0.0, -s)

    def distribution(u: NDArray[np.float64]) -> NDArray[np.float64]:
        point = np.exp(np.minimum(log_rate + np.where(swap, u, -u)[:, None], 0.0))
        return (weight * _chance(wide, point, swap)).sum(axis=1)

    centre = _log_mean(treatment) - _log_mean(control)
    scale = np.sqrt(_log_variance(treatment) + _log_variance(control))
    return [_quantile(distribution, probability, centre, scale) for probability in probabilities]


def _chance(wide: _Beta, point: NDArray[np.float64], below: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Probability below the points in the cells marked so, above them in the others."""
    chance = np.empty(point.shape)
    for function, rows in ((betainc, below), (betaincc, ~below)):
        chance[rows] = function(wide.a[rows, None], wide.b[rows, None], point[rows])
    return chance


def _quantile(
    distribution: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    probability: NDArray[np.float64],
    centre: NDArray[np.float64],
    scale: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Point where a nearly normal distribution function takes a value: secant steps in z, kept inside a bracket."""
    target = ndtri(probability)
    low, high = centre - 60.0 * scale, centre + 60.0 * scale
    point, slope = centre + target * scale, scale
    before = z_before = np.full_like(point, np.nan)
    for _ in range(60):
        # Outside these probabilities the normal quantile is infinite and a step would be lost.
        z = ndtri(np.clip(distribution(point), 1e-300, 1.0 - 1e-16))
        with np.errstate(invalid="ignore", divide="ignore"):
            secant = (point - before) / (z - z_before)
        slope = np.where(np.isfinite(secant) & (secant > 0.0), secant, slope)
        step = (target - z) * slope
        moving = np.abs(step) > 1e-9 * scale
        if not moving.any():
            break
        low, high = np.where(z < target, point, low), np.where(z < target, high, point)
        proposal = point + step
        proposal = np.where((proposal > low) & (proposal < high), proposal, 0.5 * (low + high))
        before, z_before = np.where(moving, point, before), np.where(moving, z, z_before)
        point = np.where(moving, proposal, point)
    return point
