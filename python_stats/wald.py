"""The last step of most comparisons: from an effect and its standard error to a test and an interval."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray
from scipy.special import stdtr

from python_stats.t_quantile import t_quantile

ALTERNATIVES = ("two_sided", "greater", "less")


class UnknownAlternativeError(ValueError):
    """An ``alternative`` that is none of `ALTERNATIVES`."""


class AlphaError(ValueError):
    """An ``alpha`` that is not strictly between 0 and 1."""


class Comparison(NamedTuple):
    """A comparison of treatment with control, one element per cell.

    Attributes
    ----------
    effect : ndarray
        Treatment minus control, in the metric's unit.
    se : ndarray
        Standard error of the effect; the interval is built on it.
    statistic : ndarray
        Test statistic of the hypothesis.
    df : ndarray
        Degrees of freedom of the reference t distribution; infinite for the normal.
    p_value : ndarray
        p-value for the stated alternative.
    ci_low, ci_high : ndarray
        Limits of the ``1 - alpha`` interval; one of them is infinite for a one-sided alternative.
    """

    effect: NDArray[np.float64]
    se: NDArray[np.float64]
    statistic: NDArray[np.float64]
    df: NDArray[np.float64]
    p_value: NDArray[np.float64]
    ci_low: NDArray[np.float64]
    ci_high: NDArray[np.float64]


def check_alternative(alternative: npt.ArrayLike) -> NDArray[np.str_]:
    """Return the alternatives as an array of strings, or refuse them in words.

    Parameters
    ----------
    alternative : array_like of str
        ``"two_sided"``, ``"greater"`` (treatment is larger) or ``"less"``, one or one per cell.

    Returns
    -------
    ndarray of str
        Same shape as the argument.

    Raises
    ------
    UnknownAlternativeError
        When any element is something else; the message lists what was found.

    Examples
    --------
    >>> str(check_alternative("greater"))
    'greater'
    """
    given = np.asarray(alternative)
    given = given if given.dtype.kind == "U" else given.astype(np.str_)
    unknown = (given != "two_sided") & (given != "greater") & (given != "less")
    if np.any(unknown):
        found = ", ".join(repr(str(name)) for name in np.unique(given[unknown]))
        raise UnknownAlternativeError(f"alternative must be one of {', '.join(ALTERNATIVES)}; found {found}")
    return given


def check_alpha(alpha: npt.ArrayLike) -> NDArray[np.float64]:
    """Return alpha as an array of floats, or refuse it in words.

    Parameters
    ----------
    alpha : array_like
        Significance level, one or one per cell.

    Returns
    -------
    ndarray
        Same shape as the argument.

    Raises
    ------
    AlphaError
        When any element is not strictly between 0 and 1 (so also when it is NaN).

    Examples
    --------
    >>> float(check_alpha(0.05))
    0.05
    """
    level = np.asarray(alpha, dtype=np.float64)
    outside = ~((level > 0.0) & (level < 1.0))
    if np.any(outside):
        raise AlphaError(f"alpha must be strictly between 0 and 1; found {level[outside].flat[0]}")
    return level


def tail_alpha(alpha: npt.ArrayLike, alternative: npt.ArrayLike) -> NDArray[np.float64]:
    """Probability left out beyond one limit: ``alpha / 2`` for a two-sided interval, ``alpha`` for a one-sided one.

    Parameters
    ----------
    alpha, alternative : array_like
        Significance level and alternative; they broadcast.

    Returns
    -------
    ndarray
        Probability in one tail.

    Raises
    ------
    AlphaError, UnknownAlternativeError
        For wrong arguments.

    Examples
    --------
    >>> tail_alpha(0.05, ["two_sided", "less"]).tolist()
    [0.025, 0.05]
    """
    level = check_alpha(alpha)
    return _tail(level, check_alternative(alternative))


def p_value(
    statistic: npt.ArrayLike, df: npt.ArrayLike = np.inf, *, alternative: npt.ArrayLike = "two_sided"
) -> NDArray[np.float64]:
    """p-value of a t statistic (normal when ``df`` is infinite), always from the survival function.

    Parameters
    ----------
    statistic, df : array_like
        Statistic and degrees of freedom; they broadcast.
    alternative : array_like of str
        ``"greater"`` looks at large statistics, ``"less"`` at small ones.

    Returns
    -------
    ndarray
        NaN where the statistic is NaN or the degrees of freedom are not positive.

    Raises
    ------
    UnknownAlternativeError
        For an unknown alternative.

    Examples
    --------
    >>> round(float(p_value(1.959963985)), 6)
    0.05
    """
    t, degrees = np.asarray(statistic, dtype=np.float64), np.asarray(df, dtype=np.float64)
    return _p_value(t, degrees, check_alternative(alternative))


def wald(
    effect: npt.ArrayLike,
    se: npt.ArrayLike,
    df: npt.ArrayLike = np.inf,
    *,
    alpha: npt.ArrayLike = 0.05,
    alternative: npt.ArrayLike = "two_sided",
    null: npt.ArrayLike = 0.0,
) -> Comparison:
    """Test and interval of an effect from its standard error and a t (or normal) reference.

    The statistic is ``(effect - null) / se``. A two-sided alternative gives ``effect -/+ t(1 - alpha/2) * se``. A
    one-sided alternative gives the one-sided interval that belongs to its test: ``"greater"`` has the lower limit
    ``effect - t(1 - alpha) * se`` and no upper one (infinity), ``"less"`` the reverse. So the interval excludes
    ``null`` exactly when the p-value is below alpha.

    Parameters
    ----------
    effect, se : array_like
        Effect and its standard error, in the metric's unit; they broadcast.
    df : array_like, default inf
        Degrees of freedom; infinite means the normal distribution.
    alpha : array_like, default 0.05
        Significance level, one or one per cell.
    alternative : array_like of str, default "two_sided"
        ``"two_sided"``, ``"greater"`` or ``"less"``, one or one per cell.
    null : array_like, default 0
        Value of the effect under the null hypothesis.

    Returns
    -------
    Comparison
        Arrays of the common shape. Where the standard error is zero, negative or not finite, or the effect or the null
        is not finite, the statistic, the p-value and both limits are NaN; the effect and the standard error are
        returned as they came. Where only the degrees of freedom are missing or not positive, the statistic survives
        too.

    Raises
    ------
    AlphaError, UnknownAlternativeError
        For wrong arguments; both are ValueErrors.

    References
    ----------
    Wald, A. (1943). Tests of statistical hypotheses concerning several parameters when the number of observations is
    large. Transactions of the American Mathematical Society 54, 426-482.

    Examples
    --------
    >>> result = wald(2.0, 1.0)
    >>> round(float(result.p_value), 6), round(float(result.ci_low), 6)
    (0.0455, 0.040036)
    >>> one_sided = wald(2.0, 1.0, alternative="greater")
    >>> round(float(one_sided.ci_low), 6), float(one_sided.ci_high)
    (0.355146, inf)
    """
    level, side = check_alpha(alpha), check_alternative(alternative)
    numbers = [np.asarray(x, dtype=np.float64) for x in (effect, se, df, null)]
    shape = np.broadcast_shapes(*(x.shape for x in numbers), level.shape, side.shape)
    effect_, se_, df_, null_ = (np.broadcast_to(x, shape) for x in numbers)
    with np.errstate(all="ignore"):
        usable = np.where(np.isfinite(effect_) & np.isfinite(null_) & (se_ > 0.0) & (se_ < np.inf), se_, np.nan)
        statistic = (effect_ - null_) / usable
        half_width = t_quantile(df_, _tail(level, side)) * usable
        low, high = effect_ - half_width, effect_ + half_width
        p = _p_value(statistic, df_, side)
    missing = np.isnan(low)
    return Comparison(
        effect=effect_.copy(),
        se=se_.copy(),
        statistic=statistic,
        df=df_.copy(),
        p_value=p,
        ci_low=np.where((side == "less") & ~missing, -np.inf, low),
        ci_high=np.where((side == "greater") & ~missing, np.inf, high),
    )


# The steps below take checked arguments in their own shape: one alternative for a million cells stays one string.
def _tail(level: NDArray[np.float64], side: NDArray[np.str_]) -> NDArray[np.float64]:
    return np.where(side == "two_sided", level / 2.0, level)


def _p_value(t: NDArray[np.float64], df: NDArray[np.float64], side: NDArray[np.str_]) -> NDArray[np.float64]:
    two_sided = side == "two_sided"
    with np.errstate(all="ignore"):
        tail = np.where(two_sided, np.abs(t), t) * np.where(side == "less", 1.0, -1.0)
        return np.where(two_sided, 2.0, 1.0) * stdtr(df, tail)
