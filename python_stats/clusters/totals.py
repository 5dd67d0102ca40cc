"""From one row of totals per cluster to what the cluster analyses need per cell.

For two arms, or any saturated set of arms, the sandwich estimators collapse to a handful of sums per cell. With ``d`` a
cluster's size (or its denominator total, for a ratio), ``D`` the sum of ``d`` over the arm and ``r`` the arm's metric
value, ``sum(y) / D``:

=====================  =====================================================================
``e``                  ``y - r * d``, the cluster's residual total
``s``                  ``d / D``, its leverage
``w``                  ``1 / (1 - s)``
``cr0, cr2, cr3``      ``sum(e**2) / D**2``, ``sum(w * e**2) / D**2``, ``sum(w**2 * e**2) / D**2``
``trace_squared_cr2``  ``sum(s**2) + sum(w * s**2)**2 - sum((w * s**2)**2)``
``trace_cr3``          ``sum(w * s)``
``trace_squared_cr3``  ``sum((w * s)**2) + sum((w * s)**2)**2 - sum((w * s)**4)``
``level_cr2``          ``sum(w * v)``, ``v = s**2 * (1 - 2 * s + S)``, ``S = sum(s**2)``
``level_squared_cr2``  ``sum((w * v)**2)`` plus ``(w_g s_g**2) (w_h s_h**2) (S - s_g - s_h)**2``
                       over all pairs of different clusters g and h
=====================  =====================================================================

The traces are those of the variance estimate as a quadratic form: of independent units, and (``level``) of clusters
that vary as wholes.

These sums are the currency between SQL and Python: SQL may compute them, or hand over the cluster rows to
`cluster_moments`, which computes the same. Every cluster belongs to one arm, and clusters whose units have no outcome
are rows with totals of zero.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

# A leverage this close to one leaves no digit of the residual that CR2 and CR3 would inflate.
_LEAST_COMPLEMENT = 1e-12
# Residuals below this many units in the last place of the totals are the rounding of a constant metric.
_ROUNDING = 8.0 * np.finfo(np.float64).eps


class ClusterMoments(NamedTuple):
    """What the cluster totals of a cell (one arm of one metric) leave to know; K cells, p values per cell.

    The value vector is the metric first, then the covariates.

    Attributes
    ----------
    n : ndarray, shape (K,)
        Units.
    clusters : ndarray, shape (K,)
        Clusters with at least one unit.
    denominator : ndarray, shape (K,)
        Sum of the metric's denominator, equal to ``n`` for a metric per unit.
    value : ndarray, shape (K, p)
        Total over denominator total, for the metric and each covariate.
    cr0, cr2, cr3 : ndarray, shape (K, p, p)
        Cluster-robust covariance matrices of ``value``.
    trace_squared_cr2, trace_cr3, trace_squared_cr3 : ndarray, shape (K,)
        Ingredients of the degrees of freedom, free of scale; see `python_stats.bell_mccaffrey_df`.
    level_cr2, level_squared_cr2 : ndarray, shape (K,)
        The same where clusters vary as wholes; see `python_stats.cluster_level_df`.
    """

    n: NDArray[np.float64]
    clusters: NDArray[np.float64]
    denominator: NDArray[np.float64]
    value: NDArray[np.float64]
    cr0: NDArray[np.float64]
    cr2: NDArray[np.float64]
    cr3: NDArray[np.float64]
    trace_squared_cr2: NDArray[np.float64]
    trace_cr3: NDArray[np.float64]
    trace_squared_cr3: NDArray[np.float64]
    level_cr2: NDArray[np.float64]
    level_squared_cr2: NDArray[np.float64]

    @property
    def cr1(self) -> NDArray[np.float64]:
        """CR1 of one cell on its own: CR0 times ``G / (G - 1)`` with the cell's own number of clusters."""
        with np.errstate(all="ignore"):
            factor = self.clusters / (self.clusters - 1.0)
        return self.cr0 * factor[:, np.newaxis, np.newaxis]


class ClusterMeanMoments(NamedTuple):
    """Moments of the clusters' own means, every cluster counting once.

    Attributes
    ----------
    mean : ndarray, shape (K,)
        Unweighted mean of the cluster means.
    var : ndarray, shape (K,)
        Their variance, with n - 1.
    clusters : ndarray, shape (K,)
        Clusters that have a mean: those with a positive denominator.
    """

    mean: NDArray[np.float64]
    var: NDArray[np.float64]
    clusters: NDArray[np.float64]


def cell_sum(values: NDArray[np.float64], cell: NDArray[np.intp], cells: int) -> NDArray[np.float64]:
    """Sum rows into cells.

    Parameters
    ----------
    values : ndarray, shape (R, ...)
        Rows; a NaN stays within its own cell.
    cell : ndarray of int, shape (R,)
        Cell of each row.
    cells : int
        Number of cells.

    Returns
    -------
    ndarray, shape (cells, ...)
        Sums, 0 for a cell without rows.

    Examples
    --------
    >>> cell_sum(np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), np.array([0, 2, 0]), 3).tolist()
    [[6.0, 8.0], [0.0, 0.0], [3.0, 4.0]]
    """
    width = int(np.prod(values.shape[1:], dtype=int))
    slot = cell[:, np.newaxis] * width + np.arange(width)
    total = np.bincount(slot.ravel(), weights=values.ravel(), minlength=cells * width)
    return total.reshape((cells, *values.shape[1:]))


def cluster_rows(cell: npt.ArrayLike, cells: int | None, **columns: npt.ArrayLike) -> tuple[NDArray[np.intp], int]:
    """Check that the columns are rows of the same clusters.

    Parameters
    ----------
    cell : array_like of int, shape (R,)
        Cell of each cluster row, from 0.
    cells : int or None
        Number of cells; one more than the largest index when None.
    **columns : array_like, shape (R, ...)
        The columns to check, by the name that an error gives them.

    Returns
    -------
    index : ndarray of int, shape (R,)
        The cell of each row.
    cells : int
        The number of cells.

    Raises
    ------
    ValueError
        When the cells are not integers from 0, or a column has another number of rows.

    Examples
    --------
    >>> index, cells = cluster_rows([0, 2, 0], None, size=[4, 5, 6])
    >>> index.tolist(), cells
    ([0, 2, 0], 3)
    """
    index = np.asarray(cell)
    if index.ndim != 1 or (index.size and not np.issubdtype(index.dtype, np.integer)):
        raise ValueError("cell must be a one-dimensional array of integers, the cell of each cluster row")
    index = index.astype(np.intp)
    if index.size and index.min() < 0:
        raise ValueError("cell must not be negative")
    least = int(index.max()) + 1 if index.size else 0
    if cells is not None and cells < least:
        raise ValueError(f"cells is {cells}, but the rows name cell {least - 1}")
    for name, column in columns.items():
        if np.asarray(column).shape[:1] != index.shape:
            raise ValueError(f"{name} must have one row per cluster, {index.size}; it has shape {np.shape(column)}")
    return index, least if cells is None else cells


def cluster_moments(
    cell: npt.ArrayLike,
    size: npt.ArrayLike,
    numerator: npt.ArrayLike,
    denominator: npt.ArrayLike | None = None,
    covariates: npt.ArrayLike | None = None,
    covariate_denominators: npt.ArrayLike | None = None,
    *,
    cells: int | None = None,
) -> ClusterMoments:
    """Reduce cluster rows to cluster-robust moments per cell.

    CR2 is the bias-reduced sandwich of Bell and McCaffrey with the identity as working model, CR3 the one with
    ``1 / (1 - leverage)**2`` and no further factor (clubSandwich's CR3). For a ratio of sums these are the same
    formulas with residual totals ``y - r * d`` and leverages ``d / sum(d)``: the weighted least squares of each unit's
    ``y / d`` on the arm with weights ``d`` and working variances ``1 / d``; its CR0 is the delta method on cluster
    totals. The covariates take the leverages of the metric, so that a linear combination of value vectors has the same
    linear combination of matrices.

    Parameters
    ----------
    cell : array_like of int, shape (R,)
        Cell of each cluster row, from 0; a cell is one arm of one metric (population, segment, …). Any order.
    size : array_like, shape (R,)
        Units in the cluster, also those without an outcome. A cluster of size 0 is left out, whatever its totals.
    numerator : array_like, shape (R,)
        Total of the outcome over the cluster's units.
    denominator : array_like, shape (R,), optional
        Total of the metric's denominator; the size when absent.
    covariates : array_like, shape (R,) or (R, c), optional
        Totals of covariates.
    covariate_denominators : array_like, same shape as ``covariates``, optional
        Totals of the covariates' own denominators (a pre-period ratio); the size when absent.
    cells : int, optional
        Number of cells; one more than the largest index when absent.

    Returns
    -------
    ClusterMoments
        Matrices and ingredients are NaN in a cell with fewer than two clusters, with all of its denominator in one
        cluster (leverage 1), with a negative size, or with a NaN in a total that they need. A negative denominator
        total has no weighted-least-squares reading, so CR2, CR3 and the ingredients are NaN there while CR0 stands. A
        value whose residuals are all within rounding of zero has variance exactly 0. A zero denominator gives a NaN
        value.

    Raises
    ------
    ValueError
        When the columns do not describe the same rows.

    Notes
    -----
    Residuals are taken in two passes (first the mean, then the mean of what is left), so digits are lost only to the
    rounding of the totals themselves.

    References
    ----------
    Bell, R. M. and McCaffrey, D. F. (2002). Bias reduction in standard errors for linear regression with multi-stage
    samples. Survey Methodology 28, 169-181. Pustejovsky, J. E. and Tipton, E. (2018). Small-sample methods for
    cluster-robust variance estimation and hypothesis testing in fixed effects models. JBES 36, 672-683.

    Examples
    --------
    >>> m = cluster_moments([0, 0, 0], size=[10, 20, 30], numerator=[1, 4, 10])
    >>> m.n.tolist(), m.clusters.tolist(), m.value.round(3).tolist()
    ([60.0], [3.0], [[0.25]])
    >>> round(float(m.cr0[0, 0, 0]), 6), round(float(m.cr2[0, 0, 0]), 6), round(float(m.cr3[0, 0, 0]), 6)
    (0.002639, 0.004639, 0.008469)
    """
    index, count = cluster_rows(cell, cells, size=size, numerator=numerator)
    units = np.asarray(size, dtype=np.float64)
    kept = units != 0.0
    totals = [np.asarray(numerator, dtype=np.float64)[:, np.newaxis]]
    bases = [(units if denominator is None else np.asarray(denominator, dtype=np.float64))[:, np.newaxis]]
    if covariates is not None:
        extra = np.asarray(covariates, dtype=np.float64)
        extra = extra[:, np.newaxis] if extra.ndim == 1 else extra
        totals.append(extra)
        own = units if covariate_denominators is None else np.asarray(covariate_denominators, dtype=np.float64)
        bases.append(np.broadcast_to(own[:, np.newaxis] if own.ndim == 1 else own, extra.shape))
    total, base = np.concatenate(totals, axis=1), np.concatenate(bases, axis=1)
    cluster_rows(index, count, covariates=total, denominator=base)
    index, units, total, base = index[kept], units[kept], total[kept], base[kept]

    with np.errstate(all="ignore"):
        n = cell_sum(units, index, count)
        clusters = cell_sum((units > 0.0).astype(np.float64), index, count)
        base_sum = cell_sum(base, index, count)
        pivot = cell_sum(total, index, count) / base_sum
        rest = total - pivot[index] * base
        left = cell_sum(rest, index, count) / base_sum
        influence = (rest - left[index] * base) / base_sum[index]
        value = pivot + left

        weight_sum = base_sum[:, 0]
        share = base[:, 0] / weight_sum[index]
        complement = (weight_sum[index] - base[:, 0]) / weight_sum[index]
        inflation = 1.0 / complement
        square = influence[:, :, np.newaxis] * influence[:, np.newaxis, :]
        weight = inflation[:, np.newaxis, np.newaxis]
        matrices = [cell_sum(square * weight**power, index, count) for power in (0, 1, 2)]

        noise = cell_sum(((np.abs(total) + np.abs(value[index] * base)) / base_sum[index]) ** 2, index, count)
        constant = (np.einsum("kii->ki", matrices[0]) <= _ROUNDING**2 * noise) & np.isfinite(noise)
        nothing = constant[:, :, np.newaxis] | constant[:, np.newaxis, :]

        bad = (complement <= _LEAST_COMPLEMENT) | (units < 0.0)
        defined = (clusters >= 2.0) & (cell_sum(bad.astype(np.float64), index, count) == 0.0)
        weighted = defined & (cell_sum((share < 0.0).astype(np.float64), index, count) == 0.0)
        usable = [flag[:, np.newaxis, np.newaxis] for flag in (defined, weighted, weighted)]
        cr0, cr2, cr3 = (
            np.where(ok, np.where(nothing, 0.0, matrix), np.nan) for ok, matrix in zip(usable, matrices, strict=True)
        )
        traces = []
        for power in (1, 2):
            own = cell_sum((share * complement * inflation**power) ** 2, index, count)
            cross = share**2 * inflation**power
            squared = own + cell_sum(cross, index, count) ** 2 - cell_sum(cross**2, index, count)
            traces.append(np.where(weighted, squared, np.nan))
        trace_cr3 = np.where(weighted, cell_sum(share * inflation, index, count), np.nan)
        level, level_squared = (np.where(weighted, x, np.nan) for x in _cluster_level(share, inflation, index, count))
    return ClusterMoments(
        n, clusters, weight_sum, value, cr0, cr2, cr3, traces[0], trace_cr3, traces[1], level, level_squared
    )


def _cluster_level(
    share: NDArray[np.float64], inflation: NDArray[np.float64], index: NDArray[np.intp], count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Trace and squared trace of CR2 where cluster means vary alike, whatever the clusters' size.

    The pairs of different clusters are all pairs, which fall apart into sums of powers, less the pairs of a cluster
    with itself.
    """
    powers = [cell_sum(inflation * share ** (2 + k), index, count) for k in range(3)]
    own = [cell_sum(inflation**2 * share ** (4 + k), index, count) for k in range(2)]
    whole = cell_sum(share**2, index, count)
    level = (1 + whole) * powers[0] - 2 * powers[1]
    pairs = (
        (whole * powers[0]) ** 2 - 4 * whole * powers[0] * powers[1] + 2 * powers[0] * powers[2] + 2 * powers[1] ** 2
    )
    return level, pairs + (1 + 2 * whole) * own[0] - 4 * own[1]


def cluster_mean_moments(
    cell: npt.ArrayLike,
    size: npt.ArrayLike,
    numerator: npt.ArrayLike,
    denominator: npt.ArrayLike | None = None,
    *,
    cells: int | None = None,
) -> ClusterMeanMoments:
    """Reduce cluster rows to the mean and variance of the clusters' own means.

    Parameters
    ----------
    cell : array_like of int, shape (R,)
        Cell of each cluster row, from 0.
    size : array_like, shape (R,)
        Units in the cluster, also those without an outcome. A cluster of size 0 is left out, whatever its totals.
    numerator : array_like, shape (R,)
        Total of the outcome over the cluster's units.
    denominator : array_like, shape (R,), optional
        Total of a ratio's denominator; the size when absent.
    cells : int, optional
        Number of cells; one more than the largest index when absent.

    Returns
    -------
    ClusterMeanMoments
        Clusters whose denominator is not positive have no mean and are left out of the count too. The variance is NaN
        below two clusters, and exactly 0 when the means differ by no more than rounding.

    Raises
    ------
    ValueError
        When the columns do not describe the same rows.

    Examples
    --------
    >>> m = cluster_mean_moments([0, 0, 0], size=[10, 20, 30], numerator=[1, 4, 12])
    >>> round(float(m.mean[0]), 6), round(float(m.var[0]), 6)
    (0.233333, 0.023333)
    """
    denominator = size if denominator is None else denominator
    index, count = cluster_rows(cell, cells, size=size, numerator=numerator, denominator=denominator)
    kept = np.asarray(size, dtype=np.float64) != 0.0
    index = index[kept]
    base, total = (np.asarray(column, dtype=np.float64)[kept] for column in (denominator, numerator))
    with np.errstate(all="ignore"):
        has_mean = (base > 0.0) | np.isnan(base)
        means = np.where(has_mean, total / base, 0.0)
        clusters = cell_sum(has_mean.astype(np.float64), index, count)
        pivot = cell_sum(means, index, count) / clusters
        rest = np.where(has_mean, means - pivot[index], 0.0)
        left = cell_sum(rest, index, count) / clusters
        squares = cell_sum(np.where(has_mean, rest - left[index], 0.0) ** 2, index, count)
        noise = _ROUNDING**2 * cell_sum(means**2, index, count)
        var = np.where((squares <= noise) & np.isfinite(noise), 0.0, squares) / (clusters - 1.0)
    return ClusterMeanMoments(pivot + left, np.where(clusters >= 2.0, var, np.nan), clusters)
