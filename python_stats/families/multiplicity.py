"""Adjusted p-values for many families of tests at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

__all__ = ["METHODS", "METHOD_ALIASES", "adjust"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

METHODS = (
    "none",
    "bonferroni",
    "sidak",
    "holm",
    "holm_sidak",
    "hochberg",
    "hommel",
    "benjamini_hochberg",
    "benjamini_yekutieli",
)
# The names that plans and other tools use for them.
METHOD_ALIASES = {"bh": "benjamini_hochberg", "by": "benjamini_yekutieli"}


def adjust(
    p_values: npt.ArrayLike, family: npt.ArrayLike = 0, method: npt.ArrayLike = "benjamini_hochberg"
) -> FloatArray:
    """Adjust p-values for the number of tests in their family.

    An adjusted p-value is the smallest alpha (or false discovery rate) at which its test would be rejected; R's
    ``p.adjust``. All families are handled by one sort and a few passes.

    * ``none``: the p-value itself.
    * ``bonferroni``, ``holm``, ``hommel``, ``hochberg``: family-wise error rate. Hochberg and Hommel assume tests that
      are independent or positively dependent; Holm is never worse than Bonferroni and assumes nothing.
    * ``sidak`` (one step), ``holm_sidak`` (step down): family-wise error rate of independent tests.
    * ``benjamini_hochberg``, ``benjamini_yekutieli``: false discovery rate, under positive and any dependence.

    Parameters
    ----------
    p_values : array_like
        Any shape.
    family : array_like of int, default 0
        Family of each p-value; broadcasts to ``p_values``. The numbers need not be consecutive.
    method : array_like of str, default "benjamini_hochberg"
        One of `METHODS` or of their aliases, ``bh`` and ``by``; one for all or one per p-value (the same within a
        family).

    Returns
    -------
    ndarray
        Adjusted p-values, at most 1, in the order of ``p_values``. A p-value that is NaN or outside [0, 1] stays out of
        its family and its size, and is NaN.

    Raises
    ------
    ValueError
        For an unknown method, two methods in one family, or a family that is not an integer.

    References
    ----------
    Holm, S. (1979). Scandinavian Journal of Statistics 6, 65-70. Hochberg, Y. (1988). Biometrika 75, 800-802.
    Hommel, G. (1988). Biometrika 75, 383-386. Benjamini, Y. & Hochberg, Y. (1995). Journal of the Royal Statistical
    Society B 57, 289-300. Benjamini, Y. & Yekutieli, D. (2001). Annals of Statistics 29, 1165-1188.

    Examples
    --------
    >>> adjust([0.01, 0.02, 0.04, 0.5, np.nan], [1, 1, 1, 2, 2], "holm").round(6).tolist()
    [0.03, 0.04, 0.04, 0.5, nan]
    >>> adjust([0.01, 0.02, 0.04], method="bh").round(6).tolist()
    [0.03, 0.03, 0.04]
    """
    p = np.asarray(p_values, dtype=np.float64)
    families = np.asarray(family)
    if families.size == 0 and p.size:
        raise ValueError(f"family is empty, but there are {p.size} p_values")
    families = families if families.size else families.astype(np.intp)
    if not np.issubdtype(families.dtype, np.integer):
        raise ValueError("family must hold integers")
    families = np.broadcast_to(families, p.shape)
    codes = np.broadcast_to(_codes(method), p.shape)

    kept = np.flatnonzero((p >= 0) & (p <= 1))
    kept = kept[np.argsort(p.reshape(-1)[kept])]
    order = kept[np.argsort(_narrow(families.reshape(-1)[kept]), kind="stable")]
    sorted_p, sorted_family, sorted_code = (a.reshape(-1)[order] for a in (p, families, codes))
    first = np.ones(order.size, dtype=bool)
    first[1:] = sorted_family[1:] != sorted_family[:-1]
    if np.any((sorted_code[1:] != sorted_code[:-1]) & ~first[1:]):
        raise ValueError("method must be the same for all p-values of a family")
    starts = np.flatnonzero(first)
    sizes = np.diff(np.append(starts, order.size))
    size = np.repeat(sizes, sizes)
    below = np.arange(order.size) - np.repeat(starts, sizes)

    adjusted = np.empty(order.size)
    for code in np.unique(sorted_code):
        used = slice(None) if sorted_code[0] == code and np.all(sorted_code == code) else sorted_code == code
        adjusted[used] = _ADJUSTMENTS[METHODS[code]](sorted_p[used], below[used], size[used])
    result = np.full(p.size, np.nan)
    result[order] = np.minimum(adjusted, 1.0)
    return result.reshape(p.shape)


def _narrow(families: npt.NDArray[np.integer]) -> npt.NDArray[np.integer]:
    """Renumber in the smallest type that holds the range: up to 16 bits NumPy sorts by radix, three times as fast."""
    families = families.astype(np.int64)
    low = int(families.min(initial=0))
    return (families - low).astype(np.min_scalar_type(int(families.max(initial=0)) - low))


def _codes(method: npt.ArrayLike) -> NDArray[np.int8]:
    names = np.asarray(method)
    names = names if names.dtype.kind == "U" else names.astype(np.str_)
    codes = np.full(names.shape, -1, dtype=np.int8)
    for code, method_name in enumerate(METHODS):
        codes[names == method_name] = code
    for alias, method_name in METHOD_ALIASES.items():
        codes[names == alias] = METHODS.index(method_name)
    if np.any(codes < 0):
        found = ", ".join(repr(str(name)) for name in np.unique(names[codes < 0]))
        raise ValueError(f"method must be one of {', '.join((*METHODS, *METHOD_ALIASES))}; found {found}")
    return codes


def _running(values: FloatArray, position: IntArray, extreme: np.ufunc) -> FloatArray:
    """Cumulative maximum or minimum within runs, ``position`` counting each run from 0.

    Each pass doubles the stretch that a value has seen, so the passes are as many as the binary digits of the longest
    run, and no value is changed by arithmetic: p-values of 1e-300 keep their digits.
    """
    seen = values.copy()
    step, longest = 1, int(position.max(initial=0))
    while step <= longest:
        inside = position[step:] >= step
        extreme(seen[step:], seen[:-step].copy(), out=seen[step:], where=inside)
        step *= 2
    return seen


def _step_down(values: FloatArray, below: IntArray, _size: IntArray) -> FloatArray:
    return _running(values, below, np.maximum)


def _step_up(values: FloatArray, below: IntArray, size: IntArray) -> FloatArray:
    return _running(values[::-1], (size - 1 - below)[::-1], np.minimum)[::-1]


def _sidak(p: FloatArray, tests: npt.NDArray) -> FloatArray:
    with np.errstate(divide="ignore"):
        return -np.expm1(tests * np.log1p(-p))


def _benjamini_yekutieli(p: FloatArray, below: IntArray, size: IntArray) -> FloatArray:
    harmonic = np.cumsum(1 / np.arange(1, size.max(initial=1) + 1))
    return _step_up(p * (size / (below + 1) * harmonic[size - 1]), below, size)


def _hommel(p: FloatArray, below: IntArray, size: IntArray) -> FloatArray:
    """Worst Simes p-value over all subsets that hold the test: with itself, the largest of the others."""
    adjusted = p.copy()
    starts = np.flatnonzero(below == 0)
    for tests in np.unique(size):
        rows = starts[size[starts] == tests][:, None] + np.arange(tests)
        ordered = p[rows]
        worst = ordered.copy()
        for subset in range(2, tests + 1):
            alone = tests - subset + 1
            others = (subset * ordered[:, alone:] / np.arange(2, subset + 1)).min(axis=1, keepdims=True)
            own = subset * np.minimum(ordered, ordered[:, alone - 1 : alone])
            np.maximum(worst, np.minimum(own, others), out=worst)
        adjusted[rows] = worst
    return adjusted


_ADJUSTMENTS: dict[str, Callable[[FloatArray, IntArray, IntArray], FloatArray]] = {
    "none": lambda p, below, size: p,
    "bonferroni": lambda p, below, size: p * size,
    "sidak": lambda p, below, size: _sidak(p, size),
    "holm": lambda p, below, size: _step_down(p * (size - below), below, size),
    "holm_sidak": lambda p, below, size: _step_down(_sidak(p, size - below), below, size),
    "hochberg": lambda p, below, size: _step_up(p * (size - below), below, size),
    "hommel": _hommel,
    "benjamini_hochberg": lambda p, below, size: _step_up(p * (size / (below + 1)), below, size),
    "benjamini_yekutieli": _benjamini_yekutieli,
}
