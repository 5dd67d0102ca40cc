"""Bootstrap and permutation of means and ratios, for the plans that ask for them: from totals of hash buckets."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from python_stats.analysis.estimate_rows import estimate_rows
from python_stats.lift import Lift
from python_stats.means.resampling import bootstrap_difference, permutation_test
from python_stats.wald import Comparison

FloatArray = NDArray[np.float64]

# Below these, the interval of heavy-tailed values misses too often; more so in the smaller of two lopsided arms, whose
# skewness nothing balances: docs/statistics/resampling.md has the numbers.
MIN_NONZERO_UNITS = 100
MIN_NONZERO_UNITS_LOPSIDED = 1000
LOPSIDED = 2.0
MIN_CLUSTERS = 100

# With fewer buckets in an arm a permutation test has no power to speak of, and its statistic no variance to rely on.
MIN_BUCKETS = 5

CELL = ["plan_key", "variant_id"]


def bucket_estimates(comparisons: pd.DataFrame, unit_bucket: pd.DataFrame, *, draws: int = 4999) -> pd.DataFrame:
    """Bootstrap or permute the comparisons whose plan asks for it.

    The random numbers depend on nothing but the number of buckets, so a comparison has the same result in every build
    and whatever else is analysed beside it.

    Parameters
    ----------
    comparisons : DataFrame
        Rows of the model ``comparison`` that can be made at all.
    unit_bucket : DataFrame
        Rows of the model ``unit_bucket``: ``plan_key, variant_id, bucket, buckets, n, n_nonzero, total_numerator,
        total_denominator``. A bucket without units has no row.
    draws : int, default 4999
        Bootstrap samples, or permutations; no p-value is below ``1 / (draws + 1)``.

    Returns
    -------
    DataFrame
        One row per comparison with buckets. ``bootstrap``: symmetric interval of the difference and of the lift, and
        the p-value by inversion of the former. ``permutation``: the p-value of the studentised difference, with its
        standard error between buckets; no interval. Status ``too_few_units`` (an arm with fewer than
        `MIN_NONZERO_UNITS` units other than zero to bootstrap, `MIN_NONZERO_UNITS_LOPSIDED` where one arm has more than
        `LOPSIDED` times as many units as the other, or `MIN_BUCKETS` buckets to permute), ``too_few_clusters``,
        ``zero_denominator`` or ``zero_variance`` where there is no test.
    """
    asked = comparisons["estimator"].isin(["bootstrap", "permutation"])
    table = comparisons[asked].reset_index(drop=True)
    if table.empty or unit_bucket.empty:
        return pd.DataFrame()
    cell, cells = pd.factorize(pd.MultiIndex.from_frame(unit_bucket[CELL]))
    control, treatment = (
        cells.get_indexer(pd.MultiIndex.from_arrays([table["plan_key"], table[variant]]))
        for variant in ("control_variant_id", "variant_id")
    )
    there = (control >= 0) & (treatment >= 0)
    table, control, treatment = table[there].reset_index(drop=True), control[there], treatment[there]
    if table.empty:
        return pd.DataFrame()

    per_cell = unit_bucket.groupby(cell, sort=True).agg(
        buckets=("buckets", "first"), n=("n", "sum"), n_nonzero=("n_nonzero", "sum"), filled=("bucket", "size")
    )
    buckets, n, nonzero, filled = (
        per_cell[column].to_numpy(dtype=np.int64) for column in ("buckets", "n", "n_nonzero", "filled")
    )
    sizes = n[control], n[treatment]
    lopsided = np.maximum(*sizes) > LOPSIDED * np.minimum(*sizes)
    enough = np.where(lopsided, MIN_NONZERO_UNITS_LOPSIDED, MIN_NONZERO_UNITS)
    totals = np.zeros((len(cells), buckets.max(), 2))
    totals[cell, unit_bucket["bucket"].to_numpy(dtype=np.int64)] = unit_bucket[
        ["total_numerator", "total_denominator"]
    ].to_numpy(dtype=np.float64)

    parts = []
    for estimator, few in (
        ("bootstrap", np.minimum(nonzero[control], nonzero[treatment]) < enough),
        ("permutation", np.minimum(filled[control], filled[treatment]) < MIN_BUCKETS),
    ):
        rows = np.flatnonzero((table["estimator"] == estimator).to_numpy())
        # Cells that are split alike have as many buckets in each arm: all of them together.
        designs, design = np.unique(
            np.column_stack([buckets[control[rows]], buckets[treatment[rows]]]), axis=0, return_inverse=True
        )
        for i, (in_control, in_treatment) in enumerate(designs):
            same = rows[design.ravel() == i]
            arms = totals[control[same], :in_control], totals[treatment[same], :in_treatment]
            parts.append(_rows(table.iloc[same], estimator, *arms, few[same], draws))
    return pd.concat(parts, ignore_index=True)


def _rows(
    table: pd.DataFrame,
    estimator: str,
    control: FloatArray,
    treatment: FloatArray,
    few_units: NDArray[np.bool_],
    draws: int,
) -> pd.DataFrame:
    """Rows of comparisons that have as many buckets in each arm."""
    alternative = table["alternative"].to_numpy(dtype=str)
    blank = np.full(len(table), np.nan)
    if estimator == "bootstrap":
        alpha = table["alpha"].to_numpy(dtype=np.float64)
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
    clusters = table[["clusters_control", "clusters_treatment"]].min(axis=1).to_numpy(dtype=np.float64)
    if estimator == "bootstrap":
        status[table["is_clustered"].to_numpy(dtype=bool) & (clusters < MIN_CLUSTERS)] = "too_few_clusters"
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
