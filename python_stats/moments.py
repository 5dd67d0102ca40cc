"""Moments of cells: the currency that SQL and Python, and the modules of this package, pay each other in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from python_stats.arguments import check_kind

__all__ = [
    "Moments",
    "linear_combination",
    "merge",
    "merge_all",
    "merge_groups",
    "merge_running",
    "moments_from_columns",
    "moments_of",
    "with_zeros",
]

FloatArray = NDArray[np.float64]


def check_moments(**arguments: object) -> None:
    """Refuse what is not `Moments`, such as the values that they would be made of.

    Parameters
    ----------
    **arguments : object
        The arguments, by name.

    Raises
    ------
    TypeError
        For an argument that is not `Moments`.

    Examples
    --------
    >>> check_moments(control=[1.0, 2.0])
    Traceback (most recent call last):
    ...
    TypeError: control must be Moments, made by moments_of(values) or moments_from_columns; found list
    """
    check_kind(Moments, "moments_of(values) or moments_from_columns", **arguments)


@dataclass(frozen=True, eq=False)
class Moments:
    """Count, means and covariances of k variables in every cell of an array of cells.

    A cell is a group of units, such as one variant of one experiment. The caller decides the order of the variables
    (numerator, denominator, covariates, ...). ``a + b`` is `merge`, ``m[i]`` selects cells along the leading axes,
    ``control, treatment = m`` unpacks the first axis.

    Attributes
    ----------
    n : ndarray, shape (...)
        Number of units.
    mean : ndarray, shape (..., k)
        Means, in each variable's unit. NaN where ``n`` is 0.
    cov : ndarray, shape (..., k, k)
        Covariance matrix with the n - 1 divisor. NaN where ``n`` is below 2.

    Raises
    ------
    ValueError
        If the shapes of the three arrays do not belong together.

    Examples
    --------
    >>> m = Moments(n=[3, 2], mean=[[2.0], [5.0]], cov=[[[1.0]], [[2.0]]])
    >>> m.var[:, 0].tolist()
    [1.0, 2.0]
    """

    n: FloatArray
    mean: FloatArray
    cov: FloatArray

    def __post_init__(self) -> None:
        """Turn the fields into float arrays and check that their shapes belong together."""
        for field in ("n", "mean", "cov"):
            object.__setattr__(self, field, np.asarray(getattr(self, field), dtype=np.float64))
        cells, k = self.n.shape, self.mean.shape[-1] if self.mean.ndim else 0
        if self.mean.shape != (*cells, k) or self.cov.shape != (*cells, k, k):
            raise ValueError(
                "n, mean and cov must have the shapes (...), (..., k) and (..., k, k); "
                f"got {self.n.shape}, {self.mean.shape} and {self.cov.shape}"
            )

    @property
    def var(self) -> FloatArray:
        """Variances, shape (..., k)."""
        return np.diagonal(self.cov, axis1=-2, axis2=-1)

    def select(self, variables: Sequence[int]) -> Moments:
        """Moments of some of the variables, in the order asked for."""
        index = list(variables)
        return Moments(self.n, self.mean[..., index], self.cov[..., index, :][..., :, index])

    def __getitem__(self, cells: Any) -> Moments:  # noqa: ANN401 - whatever NumPy takes as an index
        """Select cells along the leading axes, as on ``n``."""
        return Moments(self.n[cells], self.mean[cells], self.cov[cells])

    def __add__(self, other: Moments) -> Moments:
        """Moments of the units of both."""
        return merge(self, other)


def moments_of(values: npt.ArrayLike | Sequence[npt.ArrayLike]) -> Moments:
    """Moments of unit-level values, for notebooks and tests.

    Two passes, after taking off one of the cell's own values, so that a large common offset costs no digits.

    Parameters
    ----------
    values : array_like or list of arrays
        Shape (units,) for one variable, (units, k) for k of them, (..., units, k) for cells of equal size. A list or
        tuple that holds an array is one cell per element, which may differ in their number of units (and may be lists
        themselves); one of plain lists is a single array, as it is for NumPy.

    Returns
    -------
    Moments
        Without leading axes for one cell; with a first axis of ``len(values)`` for a list of arrays. A NaN value makes
        the moments of its variable NaN.

    Raises
    ------
    ValueError
        If ``values`` is a single number, holds a number beside arrays, or the arrays of a list differ in their number
        of variables.

    Examples
    --------
    >>> moments_of([1.0, 2.0, 3.0]).var.tolist()
    [1.0]
    >>> control, treatment = moments_of([np.array([1.0, 3.0]), np.array([2.0, 4.0, 6.0])])
    >>> treatment.n.tolist(), treatment.mean.tolist()
    (3.0, [4.0])
    """
    if isinstance(values, (list, tuple)) and any(hasattr(v, "__array__") and np.ndim(v) for v in values):
        for place, value in enumerate(values):
            if np.ndim(value) == 0:
                raise ValueError(f"a list that holds arrays is one cell per element; element {place} is a single value")
        cells = [moments_of(v) for v in values]
        if len({cell.mean.shape for cell in cells}) > 1:
            raise ValueError("the arrays must all have the same number of variables")
        return _stack(cells, axis=0)
    x = np.asarray(values, dtype=np.float64)
    if x.ndim == 0:
        raise ValueError("values must hold units: an array of shape (units,) or (units, k)")
    if x.ndim == 1:
        x = x[:, None]
    n = np.full(x.shape[:-2], float(x.shape[-2]))
    if x.shape[-2] == 0:
        return _from_sums(n, np.zeros(x.shape[:-2] + x.shape[-1:]), np.zeros(x.shape[:-2] + 2 * x.shape[-1:]))
    origin = x[..., :1, :]
    with np.errstate(all="ignore"):
        shift = (x - origin).mean(axis=-2, keepdims=True)
        deviation = x - origin - shift
        products = np.swapaxes(deviation, -1, -2) @ deviation
    return _from_sums(n, (origin + shift)[..., 0, :], products)


def moments_from_columns(
    n: npt.ArrayLike, means: Sequence[npt.ArrayLike], lower_triangle: Sequence[Sequence[npt.ArrayLike]]
) -> Moments:
    """Moments from the columns of a moment table.

    Parameters
    ----------
    n : array_like, shape (...)
        Number of units in each cell.
    means : sequence of k array_like, each broadcasting to (...)
        Means of the variables.
    lower_triangle : sequence of k sequences
        Variances and covariances (n - 1), row by row up to the diagonal:
        ``[[var_y], [cov_xy, var_x], [cov_zy, cov_zx, var_z]]``.

    Returns
    -------
    Moments

    Raises
    ------
    ValueError
        If row i of ``lower_triangle`` does not have i + 1 entries, or there are not k rows.

    Examples
    --------
    >>> m = moments_from_columns([10, 20], [[1.0, 2.0], [3.0, 4.0]], [[[1.0, 1.0]], [[0.5, 0.2], [2.0, 3.0]]])
    >>> m.cov[1].tolist()
    [[1.0, 0.2], [0.2, 3.0]]
    """
    k = len(means)
    if [len(row) for row in lower_triangle] != list(range(1, k + 1)):
        raise ValueError(f"lower_triangle must have {k} rows of 1 to {k} columns, as there are {k} means")
    count = np.asarray(n, dtype=np.float64)
    columns = [*means, *(column for row in lower_triangle for column in row)]
    cells = np.broadcast_shapes(count.shape, *(np.shape(column) for column in columns))
    mean, cov = np.empty((*cells, k)), np.empty((*cells, k, k))
    for i, row in enumerate(lower_triangle):
        mean[..., i] = means[i]
        for j, column in enumerate(row):
            cov[..., i, j] = cov[..., j, i] = column
    return Moments(np.broadcast_to(count, cells), mean, cov)


def merge(a: Moments, b: Moments) -> Moments:
    """Moments of the units of two cells together, by the pairwise update of Chan, Golub and LeVeque.

    Parameters
    ----------
    a, b : Moments
        Cells without common units; their leading axes broadcast.

    Returns
    -------
    Moments
        An empty cell (``n`` = 0, whatever its mean) changes nothing; a cell of one unit adds its mean. A NaN in a cell
        that has units stays NaN.

    References
    ----------
    Chan, T. F., Golub, G. H. & LeVeque, R. J. (1983). Algorithms for computing the sample variance: analysis and
    recommendations. The American Statistician 37, 242-247.

    Examples
    --------
    >>> both = merge(moments_of([1.0, 2.0]), moments_of([3.0]))
    >>> both.n.tolist(), both.mean.tolist(), both.var.tolist()
    (3.0, [2.0], [1.0])
    """
    check_moments(a=a, b=b)
    with np.errstate(all="ignore"):
        n = a.n + b.n
        share = np.divide(b.n, n, out=np.zeros(n.shape), where=n != 0)
        delta = _known_mean(b) - _known_mean(a)
        one_is_empty = ((a.n == 0) | (b.n == 0))[..., None]
        mean = np.where(one_is_empty, _known_mean(a) + _known_mean(b), _known_mean(a) + delta * share[..., None])
        between = _outer(np.where(one_is_empty, 0.0, delta)) * (a.n * share)[..., None, None]
        return _from_sums(n, mean, _products(a) + _products(b) + between)


def merge_all(moments: Moments, axis: int | tuple[int, ...] | None = None) -> Moments:
    """Moments of all cells along some of the leading axes together.

    Deviations are taken from the merged mean, in two passes, so the result does not depend on a large common offset.

    Parameters
    ----------
    moments : Moments
        Cells without common units.
    axis : int or tuple of ints, optional
        Axes of ``moments.n`` to merge over; negative counts from the last axis of ``n``. Default: all.

    Returns
    -------
    Moments

    Examples
    --------
    >>> cells = moments_of([np.array([1.0, 2.0]), np.array([3.0]), np.array([4.0, 5.0])])
    >>> merge_all(cells).var.tolist()
    [2.5]
    """
    check_moments(moments=moments)
    dims = moments.n.ndim
    axes = tuple(range(dims)) if axis is None else tuple(np.atleast_1d(axis))
    axes = np.lib.array_utils.normalize_axis_tuple(axes, dims)

    def total(values: FloatArray) -> FloatArray:
        return values.sum(axis=axes, keepdims=True)

    with np.errstate(all="ignore"):
        n = total(moments.n)
        merged = _from_sums(n, *_around(moments, n, total))
    return Moments(np.squeeze(merged.n, axes), np.squeeze(merged.mean, axes), np.squeeze(merged.cov, axes))


def merge_groups(moments: Moments, group_index: npt.ArrayLike, n_groups: int | None = None) -> Moments:
    """Moments of groups of cells, as ``group by`` does with rows.

    Parameters
    ----------
    moments : Moments, leading shape (cells,)
        Cells without common units, in any order.
    group_index : array_like of int, shape (cells,)
        Group of each cell, counted from 0. A negative index leaves the cell out.
    n_groups : int, optional
        Number of groups in the result. Default: the highest index plus one.

    Returns
    -------
    Moments, leading shape (n_groups,)
        A group without cells has ``n`` = 0 and NaN moments.

    Raises
    ------
    ValueError
        If ``group_index`` has another shape than ``moments.n``, is not integer, or reaches ``n_groups``.

    Examples
    --------
    >>> cells = moments_of([np.array([1.0, 2.0]), np.array([9.0]), np.array([3.0])])
    >>> merge_groups(cells, [0, 1, 0]).mean[:, 0].tolist()
    [2.0, 9.0]
    """
    check_moments(moments=moments)
    index = np.asarray(group_index)
    if index.shape != moments.n.shape or index.ndim != 1:
        raise ValueError("group_index and the cells must be one-dimensional and of the same length")
    if index.size and not np.issubdtype(index.dtype, np.integer):
        raise ValueError("group_index must hold integers")
    highest = int(index.max(initial=-1))
    groups = highest + 1 if n_groups is None else n_groups
    if highest >= groups:
        raise ValueError(f"group_index reaches {highest}, which is not below n_groups = {groups}")
    kept = index >= 0
    moments, index = moments[kept], index[kept].astype(np.intp)

    def total(values: FloatArray) -> FloatArray:
        columns = values.reshape(len(index), int(np.prod(values.shape[1:]))).T
        summed = np.array([np.bincount(index, column, minlength=groups) for column in columns])
        return summed.T.reshape(groups, *values.shape[1:])

    with np.errstate(all="ignore"):
        n = total(moments.n)
        return _from_sums(n, *_around(moments, n, total, lambda values: values[index]))


def merge_running(moments: Moments, axis: int = -1) -> Moments:
    """Moments of everything up to and including each cell along an axis, such as the looks of an experiment.

    Parameters
    ----------
    moments : Moments
        Cells in order along ``axis``; an empty cell (``n`` = 0) repeats what is before it.
    axis : int, default -1
        Axis of ``moments.n``.

    Returns
    -------
    Moments, same shape

    Examples
    --------
    >>> days = moments_of([np.array([1.0, 2.0]), np.array([3.0]), np.array([4.0, 5.0])])
    >>> merge_running(days).mean[:, 0].tolist()
    [1.5, 2.0, 3.0]
    """
    check_moments(moments=moments)
    axis = np.lib.array_utils.normalize_axis_index(axis, moments.n.ndim)
    looks = [moments[(slice(None),) * axis + (i,)] for i in range(moments.n.shape[axis])]
    for i in range(1, len(looks)):
        looks[i] = merge(looks[i - 1], looks[i])
    if not looks:
        return moments
    return _stack(looks, axis)


def linear_combination(moments: Moments, weights: npt.ArrayLike) -> Moments:
    """Moments of linear combinations of the variables.

    Parameters
    ----------
    moments : Moments
        Cells of k variables.
    weights : array_like, shape (k,), (m, k) or (..., m, k)
        One row per new variable; leading axes broadcast against the cells, so weights may differ per cell.

    Returns
    -------
    Moments
        m variables (one for a single row of weights). A variable with weight 0 takes no part, even where it is NaN.

    Raises
    ------
    ValueError
        If the last axis of ``weights`` is not k.

    Examples
    --------
    >>> m = moments_of([[1.0, 10.0], [2.0, 30.0], [3.0, 20.0]])
    >>> linear_combination(m, [10.0, 1.0]).mean.tolist()
    [40.0]
    """
    check_moments(moments=moments)
    w = np.asarray(weights, dtype=np.float64)
    if w.ndim == 0 or w.shape[-1] != moments.mean.shape[-1]:
        raise ValueError(f"weights must have {moments.mean.shape[-1]} columns, one per variable")
    if w.ndim == 1:
        w = w[None, :]
    cells, m = np.broadcast_shapes(moments.n.shape, w.shape[:-2]), w.shape[-2]
    mean, cov = np.zeros((*cells, m)), np.zeros((*cells, m, m))
    # Sums over few variables, column by column: products of many small matrices take several times as long.
    used = [[a for a in range(w.shape[-1]) if np.any(w[..., i, a] != 0.0)] for i in range(m)]
    with np.errstate(all="ignore"):
        for i in range(m):
            for a in used[i]:
                mean[..., i] += _part(w[..., i, a], moments.mean[..., a])
            for j in range(i, m):
                for a in used[i]:
                    for b in used[j]:
                        both = (moments.cov[..., a, b] + moments.cov[..., b, a]) / 2.0
                        cov[..., i, j] += _part(w[..., i, a] * w[..., j, b], both)
                cov[..., j, i] = cov[..., i, j]
    return Moments(np.broadcast_to(moments.n, cells), mean, cov)


def _part(weight: FloatArray, value: FloatArray) -> FloatArray:
    """Return the part that a variable has in a sum: none where its weight is 0, whatever its value."""
    return np.where(weight == 0.0, 0.0, weight * value)


def with_zeros(moments: Moments, n_zero: npt.ArrayLike) -> Moments:
    """Moments after adding units whose every variable is zero, in closed form.

    Outcomes are sparse: SQL holds the units that did something and counts the others.

    Parameters
    ----------
    moments : Moments
        Cells of the units that have a row.
    n_zero : array_like, shape (...)
        Number of units without a row.

    Returns
    -------
    Moments
        NaN where ``n_zero`` is negative or NaN: more rows than units means that the counts do not belong together.

    Examples
    --------
    >>> m = with_zeros(moments_of([3.0, 5.0]), 2)
    >>> m.n.tolist(), m.mean.tolist(), m.var.tolist()
    (4.0, [2.0], [6.0])
    """
    check_moments(moments=moments)
    zeros = np.asarray(n_zero, dtype=np.float64)
    with np.errstate(all="ignore"):
        zeros = np.where(zeros >= 0, zeros, np.nan)
        n = moments.n + zeros
        share = np.divide(moments.n, n, out=np.zeros(n.shape), where=n != 0)
        mean = _known_mean(moments)
        between = _outer(mean) * (share * zeros)[..., None, None]
        return _from_sums(n, mean * share[..., None], _products(moments) + between)


def _stack(cells: Sequence[Moments], axis: int) -> Moments:
    n, mean, cov = ([getattr(cell, field) for cell in cells] for field in ("n", "mean", "cov"))
    return Moments(np.stack(n, axis), np.stack(mean, axis), np.stack(cov, axis))


def _outer(vector: FloatArray) -> FloatArray:
    return vector[..., :, None] * vector[..., None, :]


def _known_mean(moments: Moments) -> FloatArray:
    return np.where((moments.n == 0)[..., None], 0.0, moments.mean)


def _products(moments: Moments) -> FloatArray:
    """Centred sums of products; those of fewer than two units are zero whatever the engine calls their variance."""
    degrees = (moments.n - 1)[..., None, None]
    return np.where(degrees <= 0, 0.0, degrees * moments.cov)


def _from_sums(n: FloatArray, mean: FloatArray, products: FloatArray) -> Moments:
    degrees = (n - 1)[..., None, None]
    cov = np.divide(products, degrees, out=np.full(products.shape, np.nan), where=degrees > 0)
    return Moments(n, np.where((n > 0)[..., None], mean, np.nan), cov)


def _around(
    moments: Moments,
    n: FloatArray,
    total: Any,  # noqa: ANN401 - a sum over cells, with or without kept axes
    per_cell: Any = lambda values: values,  # noqa: ANN401
) -> tuple[FloatArray, FloatArray]:
    """Mean and centred sums of products of groups of cells, in two passes around the groups' means."""
    known = _known_mean(moments)
    weight = moments.n[..., None]
    inverse = np.divide(1.0, n, out=np.zeros(n.shape), where=n != 0)[..., None]
    first = total(weight * known) * inverse
    deviation = np.where(weight == 0, 0.0, known - per_cell(first))
    left_over = total(weight * deviation)
    within, between = _products(moments), weight[..., None] * _outer(deviation)
    products = total(within + between) - _outer(left_over) * inverse[..., None]
    return first + left_over * inverse, products
