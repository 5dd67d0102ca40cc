"""Post-stratification: arms compared within strata known before assignment, and the strata weighted together."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from python_stats.adjustment.pre_period import linearised
from python_stats.means.welch import ROUNDING, variance_above_rounding, welch_t
from python_stats.moments import Moments, check_moments, linear_combination, merge_groups
from python_stats.wald import Comparison, wald

__all__ = ["PostStratified", "poststratified"]

FloatArray = NDArray[np.float64]


class PostStratified(NamedTuple):
    """A post-stratified comparison of treatment with control, one element per cell.

    Attributes
    ----------
    comparison : Comparison
        The post-stratified effect and its test.
    unadjusted : Comparison
        The raw difference with Welch's test.
    adjusted_mean_control, adjusted_mean_treatment : ndarray
        Arm means (or ratios) with the strata weighted by their share of all units.
    variance_reduction : ndarray
        ``1 - (comparison.se / unadjusted.se) ** 2``; negative where the strata did harm.
    n_strata : ndarray
        Strata that were compared, after merging.
    n_small_strata : ndarray
        Strata that had fewer than two units in an arm.
    mean_control, se_control : ndarray
        The raw control mean and its standard error: a lift divides by this mean, never by the adjusted one.
    cov_effect_control : ndarray
        Covariance of the effect with the raw control mean, which the variance of a lift needs.
    """

    comparison: Comparison
    unadjusted: Comparison
    adjusted_mean_control: FloatArray
    adjusted_mean_treatment: FloatArray
    variance_reduction: FloatArray
    n_strata: FloatArray
    n_small_strata: FloatArray
    mean_control: FloatArray
    se_control: FloatArray
    cov_effect_control: FloatArray


def poststratified(
    control: Moments,
    treatment: Moments,
    *,
    cell: npt.ArrayLike | None = None,
    n_cells: int | None = None,
    small_strata: Literal["refuse", "merge"] = "refuse",
    small_below: int = 2,
    reference: Literal["t", "normal"] = "t",
    alpha: npt.ArrayLike = 0.05,
    alternative: npt.ArrayLike = "two_sided",
    null: npt.ArrayLike = 0.0,
) -> PostStratified:
    """Compare means or ratios of sums after post-stratification.

    With ``w_h`` the share of stratum h among the units of both arms, the effect is the sum of ``w_h`` times the
    difference within the stratum and its variance the sum of ``w_h**2 * (s_t**2 / n_t + s_c**2 / n_c)``, given the
    strata's sizes. The t reference has the degrees of freedom of a blocked design, units minus twice the strata (R's
    ``estimatr::difference_in_means`` with blocks). For a ratio, numerator and denominator are each post-stratified and
    the ratio is linearised.

    Parameters
    ----------
    control, treatment : Moments with 1 or 2 variables
        Moments per stratum of the outcome, or of (numerator, denominator). Without ``cell`` the last axis of
        ``n`` holds the strata, padded with ``n`` = 0 or NaN; with it there is one row per stratum.
    cell : array_like of int, shape (rows,), optional
        Cell of each stratum, counted from 0.
    n_cells : int, optional
        Number of cells, with ``cell``. Default: the highest index plus one.
    small_strata : {"refuse", "merge"}, default "refuse"
        What becomes of a cell with strata of fewer than two units in an arm, which have no variance: NaN, or all of
        them merged into one stratum, joined by the smallest other one if that is still too small. Merging looks at
        counts only.
    small_below : int, default 2
        Units in an arm below which a stratum is small, at least 2. Variances of two or three units are so uncertain
        that the t reference, which counts their degrees of freedom as if they were alike, is too narrow.
    reference : {"t", "normal"}, default "t"
        Reference distribution.
    alpha, alternative, null : array_like
        As in `python_stats.wald`, one or one per cell.

    Returns
    -------
    PostStratified
        NaN where a small stratum is refused, there is no stratum or nothing varies; ``n_small_strata`` tells why.

    Raises
    ------
    ValueError
        For unknown options, other than 1 or 2 variables, or shapes of the arms that differ.

    References
    ----------
    Miratrix, L. W., Sekhon, J. S. & Yu, B. (2013). Adjusting treatment effect estimates by post-stratification in
    randomized experiments. Journal of the Royal Statistical Society B 75, 369-396.

    Examples
    --------
    >>> control = Moments([10, 30], [[1.0], [5.0]], [[[1.0]], [[4.0]]])
    >>> treatment = Moments([20, 20], [[2.0], [5.5]], [[[1.0]], [[4.0]]])
    >>> result = poststratified(control, treatment)
    >>> round(float(result.comparison.effect), 6), round(float(result.comparison.se), 6), float(result.comparison.df)
    (0.6875, 0.388976, 76.0)
    """
    if small_strata not in ("refuse", "merge"):
        raise ValueError(f'small_strata must be "refuse" or "merge"; found {small_strata!r}')
    if reference not in ("t", "normal"):
        raise ValueError(f'reference must be "t" or "normal"; found {reference!r}')
    check_moments(control=control, treatment=treatment)
    k = control.mean.shape[-1]
    if control.mean.shape != treatment.mean.shape or k not in (1, 2):
        raise ValueError("control and treatment must have the same shape, and 1 or 2 variables")
    if cell is None:
        if control.n.ndim == 0:
            raise ValueError("without cell, the last axis holds the strata: there must be one")
        shape, strata = control.n.shape[:-1], control.n.shape[-1]
        total = int(np.prod(shape, dtype=np.int64))
        index = np.repeat(np.arange(total), strata)
    else:
        index = np.asarray(cell)
        index = index if index.size else index.astype(np.intp)
        if control.n.ndim != 1 or index.shape != control.n.shape or not np.issubdtype(index.dtype, np.integer):
            raise ValueError("cell must hold one integer per row")
        total = int(index.max(initial=-1)) + 1 if n_cells is None else n_cells
        shape = (total,)
    rows = control.n.size
    arms = [Moments(a.n.ravel(), a.mean.reshape(rows, k), a.cov.reshape(rows, k, k)) for a in (control, treatment)]

    # A row that neither arm has units in is padding, whatever its moments.
    present = ~(np.nan_to_num(arms[0].n) + np.nan_to_num(arms[1].n) == 0) & (index >= 0)
    arms, index = [arm[present] for arm in arms], index[present]
    whole = [merge_groups(arm, index, total) for arm in arms]
    least = max(small_below, 2) if small_strata == "merge" else 2
    small = ~((arms[0].n >= least) & (arms[1].n >= least))
    n_small = np.bincount(index[small], minlength=total).astype(np.float64)
    if small_strata == "merge" and small.any():
        stratum, index = _merged_strata(arms[0].n, arms[1].n, index, total, least)
        arms = [merge_groups(arm, stratum, len(index)) for arm in arms]
    refused = np.bincount(index[~((arms[0].n >= 2) & (arms[1].n >= 2))], minlength=total) > 0
    refused |= np.bincount(index, minlength=total) == 0

    def over_strata(values: FloatArray) -> FloatArray:
        return np.bincount(index, values, minlength=total)

    with np.errstate(all="ignore"):
        share = (arms[0].n + arms[1].n) / over_strata(arms[0].n + arms[1].n)[index]
        means, raws, variances, covariances = [], [], [], []
        for arm, raw in zip(arms, whole, strict=True):
            own = np.stack([over_strata(share * arm.mean[:, i]) for i in range(k)], axis=-1)
            mean, gradient = _gradient(own)
            raw_mean, raw_gradient = _gradient(raw.mean)
            units = linear_combination(arm, np.stack([gradient, raw_gradient], axis=-2)[index])
            spread = variance_above_rounding(units.var[:, 0], gradient[index, 0] * arm.mean[:, 0])
            parts = (gradient[index] ** 2 * arm.var).sum(axis=-1)
            spread = np.where((spread <= ROUNDING * parts) & np.isfinite(parts), 0.0, spread)
            means.append(mean)
            raws.append(raw_mean)
            variances.append(over_strata(share**2 * spread / arm.n))
            covariances.append(over_strata(share * units.cov[:, 0, 1]) / raw.n)
        n_strata = over_strata(np.ones(len(index)))
        df = over_strata(arms[0].n + arms[1].n) - 2 * n_strata if reference == "t" else np.full(total, np.inf)
        se = np.where(refused, np.nan, np.sqrt(variances[0] + variances[1]))
        effect = np.where(refused, np.nan, means[1] - means[0])
    unit_raw = whole if k == 1 else [linearised(raw, [(0, 1)]) for raw in whole]
    plan = {"alpha": _per_cell(alpha), "alternative": _per_cell(alternative), "null": _per_cell(null)}
    unadjusted = welch_t(*(v for raw in unit_raw for v in (raw.mean[:, 0], raw.var[:, 0], raw.n)), **plan)
    comparison = wald(effect, se, df, **plan)
    with np.errstate(all="ignore"):
        result = PostStratified(
            comparison=comparison,
            unadjusted=unadjusted,
            adjusted_mean_control=np.where(refused, np.nan, means[0]),
            adjusted_mean_treatment=np.where(refused, np.nan, means[1]),
            variance_reduction=1 - (comparison.se / unadjusted.se) ** 2,
            n_strata=n_strata,
            n_small_strata=n_small,
            mean_control=raws[0],
            se_control=np.sqrt(unit_raw[0].var[:, 0] / unit_raw[0].n),
            cov_effect_control=np.where(refused, np.nan, -covariances[0]),
        )
    return PostStratified(
        *(
            Comparison(*(field.reshape(shape) for field in part))
            if isinstance(part, Comparison)
            else part.reshape(shape)
            for part in result
        )
    )


def _per_cell(argument: npt.ArrayLike) -> NDArray[np.generic]:
    values = np.asarray(argument)
    return values.reshape(-1) if values.ndim else values


def _gradient(mean: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Metric of a cell and its derivatives by the means of its variables."""
    if mean.shape[-1] == 1:
        return mean[:, 0], np.ones_like(mean)
    denominator = np.where(mean[:, 1] == 0, np.nan, mean[:, 1])
    ratio = mean[:, 0] / denominator
    return ratio, np.stack([1 / denominator, -ratio / denominator], axis=-1)


def _merged_strata(
    n_control: FloatArray, n_treatment: FloatArray, cell: NDArray[np.integer], n_cells: int, least: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Give the new stratum of every row, and the cell of every new stratum."""
    rows = len(cell)
    small = ~((n_control >= least) & (n_treatment >= least))
    stratum = np.where(small, rows + cell, np.arange(rows))
    still_small = np.zeros(n_cells, dtype=bool)
    for n in (n_control, n_treatment):
        still_small |= np.bincount(cell[small], n[small], minlength=n_cells) < least
    still_small &= np.bincount(cell[small], minlength=n_cells) > 0

    candidate = np.flatnonzero(~small & still_small[cell])
    order = candidate[np.lexsort((candidate, (n_control + n_treatment)[candidate], cell[candidate]))]
    smallest = order[np.unique(cell[order], return_index=True)[1]]
    stratum[smallest] = rows + cell[smallest]

    kept, renumbered = np.unique(stratum, return_inverse=True)
    return renumbered, np.concatenate([cell, np.arange(n_cells)])[kept]
