"""Does the effect differ between segments, and what is it in each: heterogeneity, pooling, shrinkage, interaction.

The rows are effects of disjoint segments with their standard errors; ``group_index`` says which rows are compared with
each other (the segments of one dimension of one experiment and metric). Groups may differ in size. A row whose effect
is missing or whose standard error is not positive is no part of its group.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray
from scipy.special import chdtrc, ndtri

from python_stats.wald import Comparison, check_alpha, wald


class Heterogeneity(NamedTuple):
    """Whether the effects of a group's segments differ, one element per group.

    Attributes
    ----------
    q : ndarray
        Cochran's Q: sum of squared distances from the pooled effect, in units of the standard errors.
    df : ndarray
        Number of segments minus one.
    p_value : ndarray
        Of the chi-square test that all segments have the same effect.
    i2 : ndarray
        Share of the variation between segments that is not sampling error, ``(q - df) / q``, at least 0; a fraction.
    h2 : ndarray
        ``q / df``, not truncated.
    """

    q: NDArray[np.float64]
    df: NDArray[np.float64]
    p_value: NDArray[np.float64]
    i2: NDArray[np.float64]
    h2: NDArray[np.float64]


class RandomEffects(NamedTuple):
    """Mean and spread of the effects of a group's segments, one element per group.

    Attributes
    ----------
    effect, se, statistic, df, p_value, ci_low, ci_high : ndarray
        As in `python_stats.wald.Comparison`: the mean effect over segments.
    tau2 : ndarray
        Variance of the segments' true effects, at least 0.
    prediction_low, prediction_high : ndarray
        Limits for the true effect of another segment.
    """

    effect: NDArray[np.float64]
    se: NDArray[np.float64]
    statistic: NDArray[np.float64]
    df: NDArray[np.float64]
    p_value: NDArray[np.float64]
    ci_low: NDArray[np.float64]
    ci_high: NDArray[np.float64]
    tau2: NDArray[np.float64]
    prediction_low: NDArray[np.float64]
    prediction_high: NDArray[np.float64]


class Shrunk(NamedTuple):
    """Segments' effects shrunk to the mean of their group, one element per row.

    Attributes
    ----------
    effect : ndarray
        ``weight * effect + (1 - weight) * mean of the group``.
    se : ndarray
        Standard error, the uncertainty of the group's mean included.
    weight : ndarray
        What remains of the segment's own estimate, ``tau2 / (tau2 + se^2)``; 0 is full pooling.
    ci_low, ci_high : ndarray
        Normal interval.
    """

    effect: NDArray[np.float64]
    se: NDArray[np.float64]
    weight: NDArray[np.float64]
    ci_low: NDArray[np.float64]
    ci_high: NDArray[np.float64]


class _Rows(NamedTuple):
    """Usable rows: effects, sampling variances, groups; and where they stand among all rows."""

    effect: NDArray[np.float64]
    variance: NDArray[np.float64]
    group: NDArray[np.intp]
    groups: int
    usable: NDArray[np.bool_]

    def total(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum over the rows of each group."""
        return np.bincount(self.group, weights=values, minlength=self.groups)

    def count(self) -> NDArray[np.float64]:
        """Count the rows of each group."""
        return np.bincount(self.group, minlength=self.groups).astype(np.float64)


def cochran_q(
    effect: npt.ArrayLike,
    se: npt.ArrayLike,
    group_index: npt.ArrayLike | None = None,
    n_groups: int | None = None,
) -> Heterogeneity:
    """Cochran's Q test that the segments of a group share one effect, with I^2 and H^2.

    Parameters
    ----------
    effect, se : array_like, shape (rows,)
        Effect of each segment and its standard error.
    group_index : array_like of int, shape (rows,), optional
        Group of each row, counted from 0; all rows are one group when absent. A negative index leaves the row out.
    n_groups : int, optional
        Number of groups in the result; one more than the largest index when absent.

    Returns
    -------
    Heterogeneity
        Arrays of shape (groups,); NaN where a group has fewer than two usable rows.

    Raises
    ------
    ValueError
        For columns of different length, or an index that is not whole or reaches ``n_groups``.

    References
    ----------
    Cochran, W. G. (1954). The combination of estimates from different experiments. Biometrics 10, 101-129.
    Higgins, J. P. T. and Thompson, S. G. (2002). Quantifying heterogeneity in a meta-analysis. Statistics in Medicine
    21, 1539-1558.

    Examples
    --------
    >>> result = cochran_q([1.0, 3.0, 2.0, 2.1], [0.5, 0.5, 0.5, 0.5], [0, 0, 1, 1])
    >>> result.q.round(6).tolist(), result.p_value.round(6).tolist(), result.i2.round(6).tolist()
    ([8.0, 0.02], [0.004678, 0.887537], [0.875, 0.0])
    """
    rows = _rows(effect, se, group_index, n_groups)
    _, _, q = _pool(rows, 1.0 / rows.variance)
    df = _at_least_two(rows) - 1.0
    with np.errstate(all="ignore"):
        q = np.where(np.isnan(df), np.nan, q)
        i2 = np.where(q > df, (q - df) / q, np.where(np.isnan(q), np.nan, 0.0))
        return Heterogeneity(q=q, df=df, p_value=chdtrc(df, q), i2=i2, h2=q / df)


def fixed_effect(
    effect: npt.ArrayLike,
    se: npt.ArrayLike,
    group_index: npt.ArrayLike | None = None,
    n_groups: int | None = None,
    *,
    alpha: npt.ArrayLike = 0.05,
    alternative: npt.ArrayLike = "two_sided",
) -> Comparison:
    """Pool the effects of a group's segments by inverse variance, as if all were equal.

    Parameters
    ----------
    effect, se, group_index, n_groups
        As in `cochran_q`.
    alpha, alternative : array_like
        As in `python_stats.wald.wald`, one or one per group.

    Returns
    -------
    Comparison
        Arrays of shape (groups,), with a normal reference; NaN where a group has no usable row.

    Raises
    ------
    ValueError
        As in `cochran_q`, for an unknown alternative, or an alpha outside (0, 1).

    References
    ----------
    Cochran, W. G. (1954). The combination of estimates from different experiments. Biometrics 10, 101-129.

    Examples
    --------
    >>> result = fixed_effect([1.0, 3.0], [0.5, 1.0])
    >>> result.effect.round(6).tolist(), result.se.round(6).tolist()
    ([1.4], [0.447214])
    """
    rows = _rows(effect, se, group_index, n_groups)
    mean, variance, _ = _pool(rows, 1.0 / rows.variance)
    return wald(mean, np.sqrt(variance), alpha=alpha, alternative=alternative)


def random_effects(
    effect: npt.ArrayLike,
    se: npt.ArrayLike,
    group_index: npt.ArrayLike | None = None,
    n_groups: int | None = None,
    *,
    hartung_knapp: bool = False,
    alpha: npt.ArrayLike = 0.05,
    alternative: npt.ArrayLike = "two_sided",
) -> RandomEffects:
    """Mean of segment effects that vary, by DerSimonian and Laird, the variance between segments truncated at 0.

    The truncation is part of the method (metafor's ``method="DL"``); without it, as in some libraries, a variance can
    come out negative and the weights with it.

    Parameters
    ----------
    effect, se, group_index, n_groups
        As in `cochran_q`.
    hartung_knapp : bool, default False
        Whether the mean's standard error comes from the observed spread, with a t reference (Hartung and Knapp), better
        with few segments; not bounded below by the other one (metafor's ``test="knha"``).
    alpha, alternative : array_like
        As in `python_stats.wald.wald`, one or one per group.

    Returns
    -------
    RandomEffects
        Arrays of shape (groups,); NaN where a group has fewer than two usable rows. The prediction limits are two-sided
        and normal (t with Hartung-Knapp).

    Raises
    ------
    ValueError
        As in `cochran_q`, for an unknown alternative, or an alpha outside (0, 1).

    References
    ----------
    DerSimonian, R. and Laird, N. (1986). Meta-analysis in clinical trials. Controlled Clinical Trials 7, 177-188.
    Hartung, J. and Knapp, G. (2001). On tests of the overall treatment effect in meta-analysis with normally
    distributed responses. Statistics in Medicine 20, 1771-1782.

    Examples
    --------
    >>> result = random_effects([1.0, 3.0, 2.0, 2.1], [0.5, 0.5, 0.5, 0.5], [0, 0, 1, 1])
    >>> result.tau2.round(6).tolist(), result.effect.round(6).tolist(), result.se.round(6).tolist()
    ([1.75, 0.0], [2.0, 2.05], [1.0, 0.353553])
    """
    rows = _rows(effect, se, group_index, n_groups)
    tau2 = _dersimonian_laird(rows)
    mean, variance, q = _pool(rows, 1.0 / (rows.variance + tau2[rows.group]))
    df: NDArray[np.float64] | float = np.inf
    with np.errstate(all="ignore"):
        if hartung_knapp:
            df = _at_least_two(rows) - 1.0
            variance = variance * q / df
        spread = np.sqrt(variance + tau2)
        mean = np.where(np.isnan(tau2), np.nan, mean)
    result = wald(mean, np.sqrt(variance), df, alpha=alpha, alternative=alternative)
    prediction = wald(mean, spread, df, alpha=alpha)
    return RandomEffects(*result, tau2=tau2, prediction_low=prediction.ci_low, prediction_high=prediction.ci_high)


def shrink(
    effect: npt.ArrayLike,
    se: npt.ArrayLike,
    group_index: npt.ArrayLike | None = None,
    n_groups: int | None = None,
    *,
    alpha: npt.ArrayLike = 0.05,
) -> Shrunk:
    """Shrink segment effects to the mean of their group: empirical Bayes with the DerSimonian-Laird variance.

    The best linear unbiased prediction of metafor's ``blup``. Its standard error includes the uncertainty of the
    group's mean, ``sqrt(weight * se^2 + (1 - weight)^2 * se_mean^2)``; the plain posterior standard deviation does not.
    Where the segments differ no more than chance explains, every one gets the pooled effect.

    Parameters
    ----------
    effect, se, group_index, n_groups
        As in `cochran_q`.
    alpha : array_like, default 0.05
        One minus the confidence of the intervals, one or one per row.

    Returns
    -------
    Shrunk
        Arrays of shape (rows,); NaN for rows that are not usable and in groups with fewer than two usable rows.

    Raises
    ------
    ValueError
        As in `cochran_q`, or for an alpha outside (0, 1).

    References
    ----------
    Morris, C. N. (1983). Parametric empirical Bayes inference: theory and applications. JASA 78, 47-55.

    Examples
    --------
    >>> result = shrink([1.0, 3.0, 2.0, 2.1], [0.5, 0.5, 0.5, 0.5], [0, 0, 1, 1])
    >>> result.effect.round(6).tolist(), result.weight.round(6).tolist()
    ([1.125, 2.875, 2.05, 2.05], [0.875, 0.875, 0.0, 0.0])
    """
    rows = _rows(effect, se, group_index, n_groups)
    tau2 = _dersimonian_laird(rows)
    mean, variance, _ = _pool(rows, 1.0 / (rows.variance + tau2[rows.group]))
    own, centre, error = tau2[rows.group], mean[rows.group], variance[rows.group]
    weight = own / (own + rows.variance)
    shrunk = centre + weight * (rows.effect - centre)
    spread = np.sqrt(weight * rows.variance + (1.0 - weight) ** 2 * error)
    half = -ndtri(np.broadcast_to(check_alpha(alpha), rows.usable.shape)[rows.usable] / 2.0) * spread
    columns = np.full((5, rows.usable.size), np.nan)
    columns[:, rows.usable] = np.where(np.isnan(own), np.nan, (shrunk, spread, weight, shrunk - half, shrunk + half))
    return Shrunk(*columns)


def interaction_test(
    effect_reference: npt.ArrayLike,
    se_reference: npt.ArrayLike,
    effect_segment: npt.ArrayLike,
    se_segment: npt.ArrayLike,
    df: npt.ArrayLike = np.inf,
    *,
    alpha: npt.ArrayLike = 0.05,
    alternative: npt.ArrayLike = "two_sided",
) -> Comparison:
    """Test whether the effect in one segment differs from that in another.

    The difference of the two effects over its standard error: the treatment-by-segment interaction of a regression with
    HC2 standard errors when each effect is a difference of means with Welch's. That one effect is significant and the
    other is not says nothing about their difference.

    Parameters
    ----------
    effect_reference, se_reference, effect_segment, se_segment : array_like
        Effects in two disjoint segments and their standard errors; they broadcast.
    df : array_like, default inf
        Degrees of freedom: infinite for the normal reference; the regression's are the number of units minus 4.
    alpha, alternative : array_like
        As in `python_stats.wald.wald`.

    Returns
    -------
    Comparison
        ``effect`` is the segment's effect minus the reference's.

    Raises
    ------
    ValueError
        For an unknown alternative, or an alpha outside (0, 1).

    References
    ----------
    Altman, D. G. and Bland, J. M. (2003). Interaction revisited: the difference between two estimates. BMJ 326, 219.

    Examples
    --------
    >>> result = interaction_test(5.0, 1.5, 6.0, 2.0)
    >>> float(result.effect), float(result.se), round(float(result.p_value), 6)
    (1.0, 2.5, 0.689157)
    """
    first, second = (np.asarray(error, dtype=np.float64) for error in (se_reference, se_segment))
    with np.errstate(invalid="ignore"):
        se = np.where((first > 0.0) & (second > 0.0), np.hypot(first, second), np.nan)
        difference = np.asarray(effect_segment, dtype=np.float64) - np.asarray(effect_reference, dtype=np.float64)
    return wald(difference, se, df, alpha=alpha, alternative=alternative)


def _rows(effect: npt.ArrayLike, se: npt.ArrayLike, group_index: npt.ArrayLike | None, n_groups: int | None) -> _Rows:
    value, error = np.asarray(effect, dtype=np.float64), np.asarray(se, dtype=np.float64)
    index = np.zeros(value.shape, dtype=np.intp) if group_index is None else np.asarray(group_index)
    if value.ndim != 1 or value.shape != error.shape or value.shape != index.shape:
        raise ValueError("effect, se and group_index must be one-dimensional and of the same length")
    if index.size and not np.issubdtype(index.dtype, np.integer):
        raise ValueError("group_index must hold integers")
    highest = int(index.max(initial=-1 if group_index is not None else 0))
    groups = highest + 1 if n_groups is None else n_groups
    if highest >= groups:
        raise ValueError(f"group_index reaches {highest}, which is not below n_groups = {groups}")
    with np.errstate(invalid="ignore"):
        usable = np.isfinite(value) & np.isfinite(error) & (error > 0.0) & (index >= 0)
    return _Rows(value[usable], error[usable] ** 2, index[usable].astype(np.intp), groups, usable)


def _pool(
    rows: _Rows, weight: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Weighted mean of each group, its variance when the weights are inverse variances, and Q around it."""
    total = rows.total(weight)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = rows.total(weight * rows.effect) / total
        q = rows.total(weight * (rows.effect - mean[rows.group]) ** 2)
        return mean, np.where(total > 0.0, 1.0 / total, np.nan), q


def _at_least_two(rows: _Rows) -> NDArray[np.float64]:
    count = rows.count()
    return np.where(count >= 2.0, count, np.nan)


def _dersimonian_laird(rows: _Rows) -> NDArray[np.float64]:
    weight = 1.0 / rows.variance
    _, _, q = _pool(rows, weight)
    with np.errstate(divide="ignore", invalid="ignore"):
        total = rows.total(weight)
        scale = total - rows.total(weight**2) / total
        tau2 = np.maximum((q - (_at_least_two(rows) - 1.0)) / scale, 0.0)
    return np.where(scale > 0.0, tau2, np.nan)
