"""From simulated units to what SQL would hand over: moments, cluster totals, rank sums, order statistics, buckets."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from python_stats.clusters.totals import cluster_moments
from python_stats.moments import Moments
from python_stats.quantiles.order_statistics import order_statistic_window
from python_stats.simulation.shipped import Clusters

FloatArray = NDArray[np.float64]


class ClusterRows(NamedTuple):
    """One row of totals per cluster, over all replications.

    Attributes
    ----------
    replication, treated : ndarray, shape (rows,)
        Replication and arm of the cluster.
    size : ndarray, shape (rows,)
        Units.
    totals : ndarray, shape (rows, k)
        Totals of the variables.
    """

    replication: NDArray[np.intp]
    treated: NDArray[np.bool_]
    size: FloatArray
    totals: FloatArray


def cluster_arms(
    size: NDArray[np.int64], treated: NDArray[np.bool_], values: FloatArray, *, is_ratio: bool = False
) -> tuple[tuple[Moments, Moments], tuple[Clusters, Clusters], ClusterRows]:
    """Reduce units in clusters to unit moments, cluster-robust moments and cluster totals.

    Parameters
    ----------
    size, treated : ndarray, shape (replications, clusters)
        Units and arm of each cluster.
    values : ndarray, shape (units, k)
        Values of the units of all clusters, cluster after cluster.
    is_ratio : bool, default False
        Whether the second variable is the denominator of the first; clusters then weigh by it.
    """
    replications, clusters = size.shape
    owner = np.repeat(np.arange(size.size), size.ravel())
    arm = (2 * np.arange(replications)[:, None] + treated).ravel()
    totals = np.stack([np.bincount(owner, column, minlength=size.size) for column in values.T], axis=-1)
    moments = _moments_by_cell(arm[owner], values, 2 * replications)
    units = size.ravel().astype(np.float64)
    names = ("numerator", "denominator" if is_ratio else "covariate")[: values.shape[1]]
    robust = _cluster_moments(arm, units, totals, totals[:, 1] if is_ratio else units, moments, names)
    rows = ClusterRows(np.repeat(np.arange(replications), clusters), treated.ravel(), units, totals)
    return (moments[0::2], moments[1::2]), (robust.at(slice(0, None, 2)), robust.at(slice(1, None, 2))), rows


def _cluster_moments(
    cell: NDArray[np.intp],
    size: FloatArray,
    totals: FloatArray,
    weight: FloatArray,
    moments: Moments,
    names: tuple[str, ...],
) -> Clusters:
    """Return what the model ``cluster_moment`` holds, from cluster totals: CR2 with the shares of the weight."""
    cells, k = moments.mean.shape
    with np.errstate(all="ignore"):
        share = weight / np.bincount(cell, weight, minlength=cells)[cell]
        residual = totals - size[:, None] * moments.mean[cell]
        cov = np.empty((cells, k, k))
        for i in range(k):
            for j in range(i, k):
                product = residual[:, i] * residual[:, j] / (1 - share)
                cov[:, i, j] = cov[:, j, i] = np.bincount(cell, product, minlength=cells) / moments.n
        squared, leverage, leverage_squared = (
            np.bincount(cell, term, minlength=cells)
            for term in (share**2, share**2 / (1 - share), share**4 / (1 - share) ** 2)
        )
    undefined = np.bincount(cell, ~((share >= 0) & (share < 1 - 1e-12)), minlength=cells) > 0
    trace = np.where(undefined, np.nan, squared + leverage**2 - leverage_squared)
    cov[undefined] = np.nan
    level = cluster_moments(cell, weight, weight, cells=cells)
    count = np.bincount(cell, minlength=cells).astype(np.float64)
    triples = {
        name: np.bincount(cell, products, minlength=cells)
        for name, products in _triple_products(residual, names).items()
    }
    return Clusters(count, trace, level.level_cr2, level.level_squared_cr2, cov, triples)


def triple_sums(values: FloatArray, names: tuple[str, ...]) -> dict[str, FloatArray]:
    """Return the sums of products of three variables, as the model ``look_moment`` has them.

    Parameters
    ----------
    values : ndarray, shape (..., units, k)
        Values of the units.
    names : tuple of str
        Names of the k variables; of others than the numerator, the covariate and the denominator there are no sums.
    """
    return {name: products.sum(axis=-1) for name, products in _triple_products(values, names).items()}


def _triple_products(values: FloatArray, names: tuple[str, ...]) -> dict[str, FloatArray]:
    known = {name: values[..., place] for place, name in enumerate(names)}
    first = known["numerator"]
    products = {"cubes_numerator": first**3}
    for name in ("covariate", "denominator"):
        if name in known:
            other = known[name]
            products[f"squares_numerator_{name}"] = first**2 * other
            products[f"squares_{name}_numerator"] = first * other**2
            products[f"cubes_{name}"] = other**3
    return products


def _moments_by_cell(cell: NDArray[np.intp], values: FloatArray, cells: int) -> Moments:
    n = np.bincount(cell, minlength=cells).astype(np.float64)
    k = values.shape[1]
    mean = np.stack([np.bincount(cell, column, minlength=cells) for column in values.T], axis=-1) / n[:, None]
    rest = values - mean[cell]
    cov = np.empty((cells, k, k))
    for i in range(k):
        for j in range(i, k):
            cov[:, i, j] = cov[:, j, i] = np.bincount(cell, rest[:, i] * rest[:, j], minlength=cells) / (n - 1)
    return Moments(n, mean, cov)


class Ranks(NamedTuple):
    """Ranks of the units of both arms together, per replication.

    Attributes
    ----------
    rank_sum_treatment, tie_term : ndarray, shape (replications,)
        Sum of the treatment's mid-ranks, and the sum of ``t**3 - t`` over groups of t ties.
    placement_var_control, placement_var_treatment : ndarray, shape (replications,)
        Variances of the placements, for the Brunner-Munzel test.
    """

    rank_sum_treatment: FloatArray
    tie_term: FloatArray
    placement_var_control: FloatArray
    placement_var_treatment: FloatArray


def ranks(control: FloatArray, treatment: FloatArray) -> Ranks:
    """Rank the units of both arms, shapes (replications, units of the arm)."""
    n_control, n_treatment = control.shape[1], treatment.shape[1]
    both, ties = _mid_ranks(np.concatenate([control, treatment], axis=1))
    own = [_mid_ranks(values)[0] for values in (control, treatment)]
    placements = ((both[:, :n_control] - own[0]) / n_treatment, (both[:, n_control:] - own[1]) / n_control)
    return Ranks(both[:, n_control:].sum(axis=1), ties, *(part.var(axis=1, ddof=1) for part in placements))


def _mid_ranks(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    order = np.argsort(values, axis=1)
    ordered = np.take_along_axis(values, order, axis=1)
    first = np.ones(values.shape, dtype=bool)
    first[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    group = np.cumsum(first.ravel()) - 1
    size = np.bincount(group)
    start = np.flatnonzero(first.ravel()) % values.shape[1]
    middle = (start + (size + 1) / 2)[group].reshape(values.shape)
    result = np.empty(values.shape)
    np.put_along_axis(result, order, middle, axis=1)
    return result, (size[group].reshape(values.shape).astype(np.float64) ** 2 - 1).sum(axis=1)


def order_window(values: FloatArray, q: float) -> tuple[int, int, FloatArray]:
    """Return size, first rank and order statistics around a quantile, of values of shape (replications, units)."""
    n = values.shape[1]
    window = order_statistic_window(n, q)
    first, last = int(window.first_rank), int(window.last_rank)
    return n, first, np.sort(values, axis=1)[:, first - 1 : last]


def bucket_totals(rng: np.random.Generator, numerator: FloatArray, denominator: FloatArray, buckets: int) -> FloatArray:
    """Hash units of shape (replications, units) into buckets.

    Returns the totals of numerator and denominator and the number of units, shape (replications, buckets, 3).
    """
    replications = numerator.shape[0]
    index = (rng.integers(0, buckets, numerator.shape) + buckets * np.arange(replications)[:, None]).ravel()
    totals = [np.bincount(index, part.ravel(), minlength=replications * buckets) for part in (numerator, denominator)]
    totals.append(np.bincount(index, minlength=replications * buckets))
    return np.stack(totals, axis=-1).reshape(replications, buckets, 3)
