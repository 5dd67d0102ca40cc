"""Alpha-spending functions: how much type-I error a sequential design may have used at an information fraction."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtri

from python_stats.wald import check_alpha

SPENDING = ("obrien_fleming", "pocock", "power", "hwang_shih_decani")


class UnknownSpendingError(ValueError):
    """A spending function that is none of `SPENDING`."""


class SpendingParameterError(ValueError):
    """A missing or impossible parameter of the power or the Hwang-Shih-DeCani family."""


def information_fraction(units: npt.ArrayLike, planned_units: npt.ArrayLike) -> NDArray[np.float64]:
    """Information so far as a fraction of the plan, when information is the number of units.

    Parameters
    ----------
    units, planned_units : array_like
        Units (both arms) analysed so far, and at the planned end. Information is proportional to units while the split
        between the arms and the variance stay the same; otherwise use inverse squared standard errors for both.

    Returns
    -------
    ndarray
        May exceed 1. NaN where there is no positive plan.

    Examples
    --------
    >>> information_fraction([500, 1200, 500], [1000, 1000, 0]).tolist()
    [0.5, 1.2, nan]
    """
    plan = np.asarray(planned_units, dtype=np.float64)
    with np.errstate(all="ignore"):
        return np.asarray(units, dtype=np.float64) / np.where(np.isfinite(plan) & (plan > 0.0), plan, np.nan)


def log_alpha_spending(
    information_fraction: npt.ArrayLike,
    *,
    alpha: npt.ArrayLike = 0.05,
    spending: npt.ArrayLike = "obrien_fleming",
    parameter: npt.ArrayLike | None = None,
) -> NDArray[np.float64]:
    """Natural logarithm of `alpha_spending`, finite also where the probability itself is below the smallest double.

    Parameters
    ----------
    information_fraction, alpha, spending, parameter
        As in `alpha_spending`.

    Returns
    -------
    ndarray
        Minus infinity at a fraction of 0, where nothing is spent.

    Raises
    ------
    UnknownSpendingError, SpendingParameterError, AlphaError
        For wrong arguments; all are ValueErrors.

    Examples
    --------
    >>> round(float(log_alpha_spending(0.001, alpha=0.025)), 2)
    -2516.43
    """
    name = np.asarray(spending).astype(np.str_)
    unknown = ~np.isin(name, SPENDING)
    if np.any(unknown):
        found = ", ".join(repr(str(one)) for one in np.unique(name[unknown]))
        raise UnknownSpendingError(f"spending must be one of {', '.join(SPENDING)}; found {found}")
    shape = np.asarray(np.nan if parameter is None else parameter, dtype=np.float64)
    fraction, level, name, shape = np.broadcast_arrays(
        np.asarray(information_fraction, dtype=np.float64), check_alpha(alpha), name, shape
    )
    if np.any((name == "power") & ~((shape > 0.0) & np.isfinite(shape))):
        raise SpendingParameterError("the power family needs a parameter rho above 0")
    if np.any((name == "hwang_shih_decani") & ~np.isfinite(shape)):
        raise SpendingParameterError("the Hwang-Shih-DeCani family needs a finite parameter gamma")

    with np.errstate(all="ignore"):
        time = np.where(fraction < 0.0, np.nan, np.minimum(fraction, 1.0))
        formulas = {
            "obrien_fleming": lambda: np.log(2.0) + log_ndtr(ndtri(level / 2.0) / np.sqrt(time)),
            "pocock": lambda: np.log(level) + np.log(np.log1p((np.e - 1.0) * time)),
            "power": lambda: np.log(level) + shape * np.log(time),
            "hwang_shih_decani": lambda: (
                np.log(level)
                + np.minimum(shape, 0.0) * (1.0 - time)
                + np.log(np.where(shape == 0.0, time, np.expm1(-np.abs(shape) * time) / np.expm1(-np.abs(shape))))
            ),
        }
        result = np.full(time.shape, np.nan)
        for one, formula in formulas.items():
            chosen = name == one
            if np.any(chosen):
                result = np.where(chosen, formula(), result)
        return np.where(time == 1.0, np.log(level), np.where(time == 0.0, -np.inf, result))


def alpha_spending(
    information_fraction: npt.ArrayLike,
    *,
    alpha: npt.ArrayLike = 0.05,
    spending: npt.ArrayLike = "obrien_fleming",
    parameter: npt.ArrayLike | None = None,
) -> NDArray[np.float64]:
    """Cumulative type-I error that may have been spent when a fraction of the planned information is in.

    ``alpha`` is what the function spends in all: the level of one side where each side has a function of its own, the
    whole level where the function is spent on ``|Z|``. These are different designs (see
    `python_stats.spending_boundaries`). With t the fraction:

    ===================  ==============================================================  =================
    ``spending``         cumulative alpha                                                ``parameter``
    ===================  ==============================================================  =================
    obrien_fleming       ``2 * (1 - Phi(z(1 - alpha/2) / sqrt(t)))`` (Lan and DeMets)    none
    pocock               ``alpha * log(1 + (e - 1) * t)`` (Lan and DeMets)               none
    power                ``alpha * t**rho`` (Kim and DeMets)                             rho above 0
    hwang_shih_decani    ``alpha * (1 - exp(-gamma*t)) / (1 - exp(-gamma))``             gamma, 0: linear
    ===================  ==============================================================  =================

    The first two only resemble the classical designs of those names.

    Parameters
    ----------
    information_fraction : array_like
        Information so far over planned information. Above 1 it counts as 1.
    alpha : array_like, default 0.05
        Level, strictly between 0 and 1.
    spending : array_like of str, default "obrien_fleming"
        One of `SPENDING`.
    parameter : array_like, optional
        Parameter of the last two families; ignored by the others.

    Returns
    -------
    ndarray
        All arguments broadcast. 0 at a fraction of 0, exactly alpha from 1 on, NaN where the fraction is NaN or
        negative.

    Raises
    ------
    UnknownSpendingError, SpendingParameterError, AlphaError
        For wrong arguments; all are ValueErrors.

    References
    ----------
    Lan, K. K. G. and DeMets, D. L. (1983). Discrete sequential boundaries for clinical trials. Biometrika 70, 659-663.
    Kim, K. and DeMets, D. L. (1987). Design and analysis of group sequential tests based on the type I error spending
    rate function. Biometrika 74, 149-154. Hwang, I. K., Shih, W. J. and DeCani, J. S. (1990). Group sequential designs
    using a family of type I error probability spending functions. Statistics in Medicine 9, 1439-1445.

    Examples
    --------
    >>> alpha_spending([0.25, 0.5, 1.0], alpha=0.025).round(6).tolist()
    [7e-06, 0.001525, 0.025]
    >>> alpha_spending([0.25, 0.5, 1.0], alpha=0.025, spending="power", parameter=2).round(7).tolist()
    [0.0015625, 0.00625, 0.025]
    """
    level = check_alpha(alpha)
    logarithm = log_alpha_spending(information_fraction, alpha=level, spending=spending, parameter=parameter)
    fraction = np.asarray(information_fraction, dtype=np.float64)
    return np.where(fraction >= 1.0, level, np.minimum(np.exp(logarithm), level))
