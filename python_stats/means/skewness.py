"""How far a difference of means is from normal: its skewness, from the third moments of the arms."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from python_stats.arguments import takes_summaries
from python_stats.moments import Moments, check_moments

# Largest rounding of a third moment, in third powers of the standard deviation, at which it counts as known.
KNOWN = 1e-3
# Rounding of the sums, in units of the largest of their terms: one addition after the other loses more than one bit.
_ROUNDING = 16.0 * np.finfo(np.float64).eps


def third_moment_of_combination(
    moments: Moments,
    sums_of_triples: npt.ArrayLike,
    weights: npt.ArrayLike,
    *,
    spread: npt.ArrayLike | None = None,
) -> NDArray[np.float64]:
    """Third central moment of a weighted sum of two variables of the same units.

    What a covariate adjustment compares is ``y - theta * x``, what the delta method compares is
    ``(y - ratio * d) / mean_d``: both are such sums.

    Parameters
    ----------
    moments : Moments, shape (...) with 2 variables
        Moments of the arm, over the same units.
    sums_of_triples : array_like, shape (..., 4)
        Sums of ``a**3``, ``a**2 * b``, ``a * b**2`` and ``b**3`` of the two variables over all units.
    weights : array_like, shape (..., 2)
        Weight of each variable. One that weighs nothing may be missing.
    spread : array_like, shape (...), optional
        Variance beside which the rounding of the moment must be small; that of the weighted sum when absent. An arm
        that hardly varies has a third moment of its own that is all rounding, and none to speak of beside an arm that
        does.

    Returns
    -------
    ndarray, shape (...)
        NaN where a needed sum is missing or overflows, and where the sums are so large beside the spread (values far
        from zero, a covariate that explains nearly all) that it would be rounding.

    Raises
    ------
    ValueError
        Where ``moments`` or ``weights`` do not have two variables, or ``sums_of_triples`` four columns.

    Examples
    --------
    >>> from python_stats.moments import moments_of
    >>> a, b = np.array([0.0, 0.0, 1.0, 5.0]), np.array([1.0, 0.0, 0.0, 3.0])
    >>> triples = [(a**3).sum(), (a**2 * b).sum(), (a * b**2).sum(), (b**3).sum()]
    >>> both = moments_of(np.stack([a, b], axis=-1))
    >>> z = a - 0.5 * b
    >>> round(float(third_moment_of_combination(both, triples, [1.0, -0.5]) / ((z - z.mean()) ** 3).mean()), 9)
    1.0
    """
    check_moments(moments=moments)
    w = np.asarray(weights, dtype=np.float64)
    triples = np.asarray(sums_of_triples, dtype=np.float64)
    for name, given, columns in (("moments", moments.mean, 2), ("sums_of_triples", triples, 4), ("weights", w, 2)):
        if given.shape[-1:] != (columns,):
            raise ValueError(f"{name} must have {columns} columns; found the shape {given.shape}")
    mean = moments.mean
    with np.errstate(all="ignore"):
        n = moments.n
        cov = moments.cov * ((n - 1) / n)[..., None, None]
        total, size = np.zeros((2, *np.broadcast_shapes(n.shape, w.shape[:-1], triples.shape[:-1])))
        for place, (a, b, c) in enumerate(((0, 0, 0), (0, 0, 1), (0, 1, 1), (1, 1, 1))):
            times = (1, 3, 3, 1)[place] * w[..., a] * w[..., b] * w[..., c]
            if not np.any(times):
                continue
            about_zero = triples[..., place] / n
            shift = mean[..., a] * cov[..., b, c] + mean[..., b] * cov[..., a, c] + mean[..., c] * cov[..., a, b]
            level = mean[..., a] * mean[..., b] * mean[..., c]
            central = about_zero - shift - level
            # A variable that weighs nothing may be unknown: 0 * NaN would be NaN.
            total = total + np.where(times == 0.0, 0.0, times * central)
            size = size + np.where(times == 0.0, 0.0, np.abs(times) * (np.abs(about_zero) + np.abs(level)))
        variance = np.zeros(total.shape)
        for a, b in ((0, 0), (0, 1), (1, 0), (1, 1)):
            both = w[..., a] * w[..., b]
            if np.any(both):
                variance = variance + np.where(both == 0.0, 0.0, both * cov[..., a, b])
        beside = variance if spread is None else np.asarray(spread, dtype=np.float64)
        rounded = size * _ROUNDING > KNOWN * np.maximum(beside, 0.0) ** 1.5
        return np.where(np.isfinite(total) & ~rounded, total, np.nan)


@takes_summaries("the variance, third central moment and number of units")
def pooled_skewness(
    var_control: npt.ArrayLike,
    third_control: npt.ArrayLike,
    n_control: npt.ArrayLike,
    var_treatment: npt.ArrayLike,
    third_treatment: npt.ArrayLike,
    n_treatment: npt.ArrayLike,
) -> NDArray[np.float64]:
    """Skewness of the values of both arms together, each around its own mean.

    The arms are pooled on purpose. A small arm's own skewness is small exactly when its largest values are missing,
    which is when its mean and its variance are too small as well: a correction that looks at it alone goes wrong where
    it is needed most.

    Parameters
    ----------
    var_control, var_treatment : array_like
        Variances, with n - 1.
    third_control, third_treatment : array_like
        Third central moments, as of `third_moment_of_combination`.
    n_control, n_treatment : array_like
        Units.

    Returns
    -------
    ndarray
        Without unit; NaN where an arm's third moment is unknown or nothing varies. It is an estimate: a sample that has
        not met its largest values yet understates it.

    Examples
    --------
    >>> float(pooled_skewness(1.0, 2.0, 100, 1.0, 2.0, 100).round(3))
    2.03
    """
    arms = [
        [np.asarray(x, dtype=np.float64) for x in arm]
        for arm in ((var_control, third_control, n_control), (var_treatment, third_treatment, n_treatment))
    ]
    with np.errstate(all="ignore"):
        total = arms[0][2] + arms[1][2]
        third = sum(n * own for _, own, n in arms) / total
        spread = sum((n - 1) * variance for variance, _, n in arms) / total
        return np.where(spread > 0, third / spread**1.5, np.nan)


def skewness_of_difference(
    skewness: npt.ArrayLike, n_control: npt.ArrayLike, n_treatment: npt.ArrayLike
) -> NDArray[np.float64]:
    """Skewness of the difference of two means, treatment minus control, of arms drawn from one population.

    ``g * (1 / n_t ** 2 - 1 / n_c ** 2) / (1 / n_t + 1 / n_c) ** 1.5`` with the values' skewness g. A normal reference
    rests on its being near zero: it moves probability from one tail of a test to the other (Edgeworth). Equal arms
    cancel each other's; a small arm beside a large one does not.

    Parameters
    ----------
    skewness : array_like
        Of the values: `pooled_skewness`.
    n_control, n_treatment : array_like
        Units.

    Returns
    -------
    ndarray
        Without unit; NaN where the skewness is.

    References
    ----------
    Hall, P. (1992). The Bootstrap and Edgeworth Expansion. Springer, section 2.4. Kohavi, R., Deng, A., Longbotham, R.
    and Xu, Y. (2014). Seven rules of thumb for web site experimenters. KDD, rule 7.

    Examples
    --------
    >>> round(float(skewness_of_difference(2.0, 1000, 100)), 4)
    0.1716
    """
    n_c, n_t = (np.asarray(n, dtype=np.float64) for n in (n_control, n_treatment))
    with np.errstate(all="ignore"):
        return np.asarray(skewness, dtype=np.float64) * (n_t**-2.0 - n_c**-2.0) / (1 / n_t + 1 / n_c) ** 1.5
