"""Bootstrap and permutation of means and ratios, for the plans that ask for them: from totals of hash buckets."""

from __future__ import annotations

import numpy as np
import pandas as pd

from python_stats.analysis.settings import DEFAULTS, Settings
from python_stats.analysis.table.arms import cells_of
from python_stats.analysis.table.comparisons import BoolArray, Comparisons, FloatArray
from python_stats.analysis.table.estimate_rows import EstimateRows, estimate_rows
from python_stats.lift import Lift
from python_stats.means.resampling import bootstrap_difference, permutation_test
from python_stats.wald import Comparison

# Below these, the interval of heavy-tailed values misses too often; more so in the smaller of two lopsided arms, whose
# skewness nothing balances: docs/statistics/resampling.md has the numbers.
MIN_NONZERO_UNITS = 100
MIN_NONZERO_UNITS_LOPSIDED = 1000
LOPSIDED = 2.0
MIN_CLUSTERS = 100

# With fewer buckets in an arm a permutation test has no power to speak of, and its statistic no variance to rely on.
MIN_BUCKETS = 5


def bucket_estimates(
    comparisons: pd.DataFrame | Comparisons,
    unit_bucket: pd.DataFrame,
    settings: Settings = DEFAULTS,
    *,
    draws: int = 4999,
) -> list[EstimateRows]:
    """Bootstrap or permute the comparisons whose plan asks for it.

    The random numbers depend on nothing but the number of buckets, so a comparison has the same result in every build
    and whatever else is analysed beside it.

    Parameters
    ----------
    comparisons : DataFrame or Comparisons
        Rows of the model ``comparison`` that can be made at all.
    unit_bucket : DataFrame
        Rows of the model ``unit_bucket``: ``plan_key, variant_id, bucket, buckets, n, n_nonzero, total_numerator,
        total_denominator``. A bucket without units has no row.
    settings : Settings
        None is used.
    draws : int, default 4999
        Bootstrap samples, or permutations; no p-value is below ``1 / (draws + 1)``.

    Returns
    -------
    list of EstimateRows
        A row for every comparison with buckets. ``bootstrap``: symmetric interval of the difference and of the
        lift, and the p-value by inversion of the former. ``permutation``: the p-value of the studentised difference,
        with its standard error between buckets; no interval. Status ``too_few_units`` (an arm with fewer than
        `MIN_NONZERO_UNITS` units other than zero to bootstrap, `MIN_NONZERO_UNITS_LOPSIDED` where one arm has more than
        `LOPSIDED` times as many units as the other, or `MIN_BUCKETS` buckets to permute), ``too_few_clusters``,
        ``zero_denominator`` or ``zero_variance`` where there is no test.
    """
    table = Comparisons.of(comparisons)
    asked = table.is_word("estimator", "bootstrap", "permutation")
    if unit_bucket.empty or not asked.any():
        return []
    cells = cells_of(unit_bucket)
    cell = cells.cell
    table, control, treatment = cells.places(table.take(asked))
    if not len(table):
        return []

    per_cell = unit_bucket.groupby(cell, sort=True).agg(
        buckets=("buckets", "first"), n=("n", "sum"), n_nonzero=("n_nonzero", "sum"), filled=("bucket", "size")
    )
    buckets, n, nonzero, filled = (
        per_cell[column].to_numpy(dtype=np.int64) for column in ("buckets", "n", "n_nonzero", "filled")
    )
    sizes = n[control], n[treatment]
    lopsided = np.maximum(*sizes) > LOPSIDED * np.minimum(*sizes)
    enough = np.where(lopsided, MIN_NONZERO_UNITS_LOPSIDED, MIN_NONZERO_UNITS)
    totals = np.zeros((len(cells.arms), buckets.max(), 2))
    totals[cell, unit_bucket["bucket"].to_numpy(dtype=np.int64)] = unit_bucket[
        ["total_numerator", "total_denominator"]
    ].to_numpy(dtype=np.float64)

    parts = []
    for estimator, few in (
        ("bootstrap", np.minimum(nonzero[control], nonzero[treatment]) < enough),
        ("permutation", np.minimum(filled[control], filled[treatment]) < MIN_BUCKETS),
    ):
        rows = np.flatnonzero(table.is_word("estimator", estimator))
        # Cells that are split alike have as many buckets in each arm: all of them together.
        designs, design = np.unique(
            np.column_stack([buckets[control[rows]], buckets[treatment[rows]]]), axis=0, return_inverse=True
        )
        for i, (in_control, in_treatment) in enumerate(designs):
            same = rows[design.ravel() == i]
            arms = totals[control[same], :in_control], totals[treatment[same], :in_treatment]
            parts.append(_rows(table.take(same), estimator, *arms, few[same], draws))
    return parts


def _rows(
    table: Comparisons,
    estimator: str,
    control: FloatArray,
    treatment: FloatArray,
    few_units: BoolArray,
    draws: int,
) -> EstimateRows:
    """Rows of comparisons that have as many buckets in each arm."""
    alternative = table.plan["alternative"]
    blank = np.full(len(table), np.nan)
    if estimator == "bootstrap":
        alpha = table.number("alpha")
        drawn = bootstrap_difference(control, treatment, draws=draws, alpha=alpha, alternative=alternative)
        with np.errstate(all="ignore"):
            statistic = drawn.effect / drawn.se
        interval = drawn.ci_low, drawn.ci_high
        comparison = Comparison(drawn.effect, drawn.se, statistic, drawn.df, drawn.p_value, *interval)
        limits = drawn.lift_ci_low, drawn.lift_ci_high
        lift = Lift(drawn.lift, blank, *limits, np.where(np.isnan(limits).all(axis=0), "undefined", "bootstrap"))
    else:
        permuted = permutation_test(control, treatment, draws=draws, alternative=alternative)
        base = control[:, :, 0].sum(axis=1) / _without_zero(control[:, :, 1].sum(axis=1))
        with np.errstate(all="ignore"):
            se = permuted.effect / permuted.statistic
            relative = permuted.effect / _without_zero(np.abs(base))
        comparison = Comparison(permuted.effect, se, permuted.statistic, blank, permuted.p_value, blank, blank)
        lift = Lift(relative, blank, blank, blank, np.full(len(table), "undefined"))

    status = np.where(np.isnan(comparison.p_value), "zero_variance", "ok").astype(object)
    no_denominator = (control[:, :, 1].sum(axis=1) == 0) | (treatment[:, :, 1].sum(axis=1) == 0)
    status[no_denominator] = "zero_denominator"
    status[few_units & (status != "zero_denominator")] = "too_few_units"
    clusters = np.fmin(table.number("clusters_control"), table.number("clusters_treatment"))
    if estimator == "bootstrap":
        status[table.flag("is_clustered") & (clusters < MIN_CLUSTERS)] = "too_few_clusters"
    tested = status == "ok"
    untested = comparison._replace(
        **{
            field: np.where(tested, getattr(comparison, field), np.nan)
            for field in ("se", "statistic", "df", "p_value", "ci_low", "ci_high")
        }
    )
    return estimate_rows(
        table, estimator, untested, status=status, lift=lift, is_unadjusted=False,
        variance_reduction=np.where(tested, 0.0, np.nan),
        control_variance=np.where(tested, _variance(control), np.nan),
    )  # fmt: skip


def _variance(totals: FloatArray) -> FloatArray:
    """Delta-method variance of an arm's ratio between its buckets."""
    numerator, denominator = totals[:, :, 0], totals[:, :, 1]
    base = _without_zero(denominator.sum(axis=1))
    buckets = totals.shape[1]
    with np.errstate(all="ignore"):
        residual = numerator - (numerator.sum(axis=1) / base)[:, None] * denominator
        return buckets / (buckets - 1) * (residual**2).sum(axis=1) / base**2


def _without_zero(values: FloatArray) -> FloatArray:
    return np.where(values == 0, np.nan, values)
