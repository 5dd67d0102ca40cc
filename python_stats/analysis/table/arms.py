"""The arms of comparisons: their moments, and the one way from a comparison to what another table says of its arms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from python_stats.analysis.table.comparisons import ARMS, VARIANT_OF, Comparisons, FloatArray, IntArray
from python_stats.moments import Moments

VARIABLES = ("numerator", "denominator", "covariate", "covariate_denominator")

# What a table about arms is keyed by.
ARM_KEYS = ["plan_key", "variant_id"]


def arm_moments(table: Comparisons, arm: str, use: Sequence[int], *, prefix: str = "") -> Moments:
    """Read the moments of one arm.

    Parameters
    ----------
    table : Comparisons
        The comparisons.
    arm : {"control", "treatment"}
        The arm.
    use : sequence of int
        Places in `VARIABLES`.
    prefix : str, default ""
        ``cluster_`` for the cluster-robust (co)variances.

    Returns
    -------
    Moments, shape (rows of the table,) with one variable per element of ``use``
        A covariate that does not exist is one that does not vary, and so is not used.
    """
    return table.once(("moments", arm, tuple(use), prefix), lambda: _read_moments(table, arm, use, prefix))


def _read_moments(table: Comparisons, arm: str, use: Sequence[int], prefix: str) -> Moments:
    rows = len(table)
    mean, cov = np.empty((rows, len(use))), np.empty((rows, len(use), len(use)))
    for i, a in enumerate(use):
        mean[:, i] = table.number(f"mean_{VARIABLES[a]}_{arm}")
        for j, b in enumerate(use[i:], start=i):
            name = f"var_{VARIABLES[a]}" if a == b else f"cov_{VARIABLES[a]}_{VARIABLES[b]}"
            cov[:, i, j] = cov[:, j, i] = table.number(f"{prefix}{name}_{arm}")
    covariates = np.array(use) >= VARIABLES.index("covariate")
    mean[:, covariates] = np.nan_to_num(mean[:, covariates])
    either = covariates[:, None] | covariates[None, :]
    cov[:, either] = np.nan_to_num(cov[:, either])
    return Moments(table.number(f"n_{arm}"), mean, cov)


class ArmRows(NamedTuple):
    """Which rows of another table belong to an arm of which comparison.

    Attributes
    ----------
    comparison : ndarray of int
        Places among the comparisons, ascending.
    row : ndarray of int
        Places in the other table, in its order within each comparison.
    """

    comparison: IntArray
    row: IntArray


def rows_of_arm(table: Comparisons, evidence: pd.DataFrame, arm: str) -> ArmRows:
    """Find the rows of one arm of every comparison in a table of arms.

    Parameters
    ----------
    table : Comparisons
        The comparisons.
    evidence : DataFrame
        Any number of rows per ``plan_key`` and ``variant_id``.
    arm : {"control", "treatment"}
        The arm.
    """
    plan, plans = table.words("plan_key")
    variant, variants = table.words(VARIANT_OF[arm])
    places = [values.get_indexer(evidence[key]) for key, values in zip(ARM_KEYS, (plans, variants), strict=True)]
    known = np.flatnonzero((places[0] >= 0) & (places[1] >= 0))
    theirs = places[0][known] * len(variants) + places[1][known]
    # A comparison without a control variant has no rows.
    own = np.where((plan >= 0) & (variant >= 0), plan * len(variants) + variant, -1)
    order = np.argsort(theirs, kind="stable")
    first, last = (np.searchsorted(theirs[order], own, side=side) for side in ("left", "right"))
    count = last - first
    comparison = np.repeat(np.arange(len(table)), count)
    within = np.arange(comparison.size) - np.repeat(np.cumsum(count) - count, count)
    return ArmRows(comparison, known[order[np.repeat(first, count) + within]])


def arms_of(
    table: Comparisons, evidence: pd.DataFrame, columns: Sequence[str]
) -> tuple[Comparisons, tuple[tuple[FloatArray, ...], tuple[FloatArray, ...]]]:
    """Read what a table says of both arms of every comparison.

    Parameters
    ----------
    table : Comparisons
        The comparisons.
    evidence : DataFrame
        At most one row per ``plan_key`` and ``variant_id``; a frame without columns has none.
    columns : sequence of str
        Columns of numbers.

    Returns
    -------
    Comparisons
        Those whose arms both have a row.
    control, treatment : tuple of ndarray
        The columns, one element per comparison.
    """
    if evidence.empty:
        nothing = tuple(np.empty(0) for _ in columns)
        return table.take(np.empty(0, dtype=np.intp)), (nothing, nothing)
    place = np.full((2, len(table)), -1)
    for i, arm in enumerate(ARMS):
        found = rows_of_arm(table, evidence, arm)
        place[i, found.comparison] = found.row
    both = (place >= 0).all(axis=0)
    numbers = [evidence[name].to_numpy(dtype=np.float64, na_value=np.nan) for name in columns]
    control, treatment = (tuple(values[rows[both]] for values in numbers) for rows in place)
    return table.take(both), (control, treatment)


class Cells(NamedTuple):
    """The arms that a table speaks of.

    Attributes
    ----------
    cell : ndarray of int
        The arm of every row of the table, from 0.
    arms : DataFrame
        One row per arm: ``plan_key`` and ``variant_id``.
    """

    cell: IntArray
    arms: pd.DataFrame

    def places(self, table: Comparisons) -> tuple[Comparisons, IntArray, IntArray]:
        """Return the comparisons whose arms are both there, and the arm of control and treatment of each."""
        numbered = self.arms.assign(cell=np.arange(len(self.arms)))
        known, (control, treatment) = arms_of(table, numbered, ["cell"])
        return known, control[0].astype(np.intp), treatment[0].astype(np.intp)


def cells_of(evidence: pd.DataFrame) -> Cells:
    """Return the arms that a table speaks of, in the order of their first rows."""
    cell, arms = pd.factorize(pd.MultiIndex.from_frame(evidence[ARM_KEYS]))
    return Cells(cell, arms.to_frame(index=False, name=ARM_KEYS))
