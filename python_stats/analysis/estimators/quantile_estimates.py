"""Quantile metrics, from the order statistics around each arm's quantile: by index bootstrap, or by clusters."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from python_stats.analysis.settings import DEFAULTS, Settings
from python_stats.analysis.table.arms import ARM_KEYS, rows_of_arm
from python_stats.analysis.table.comparisons import ARMS, BoolArray, Comparisons, FloatArray, IntArray
from python_stats.analysis.table.estimate_rows import EstimateRows, estimate_rows
from python_stats.analysis.table.metric_types import is_quantile
from python_stats.analysis.table.statuses import status_before
from python_stats.clusters.robust_variance import bell_mccaffrey_df
from python_stats.lift import Lift, lift_interval
from python_stats.quantiles.clustered import clustered_quantile_difference, clustered_quantile_interval
from python_stats.quantiles.index_comparison import QuantileComparison, quantile_difference
from python_stats.quantiles.order_statistics import quantile_standard_error, sample_quantile
from python_stats.wald import Comparison

# Comparisons whose windows are in memory together: those of a whole programme would not fit.
BLOCK_OF_COMPARISONS = 256


# A table that was not asked for.
NOTHING = pd.DataFrame()


class _Arm(NamedTuple):
    """Windows of order statistics of one arm, a row per comparison, and how its share of values below varies."""

    n: FloatArray
    quantile: FloatArray
    first_rank: FloatArray
    values: FloatArray
    variance_below: FloatArray
    trace: FloatArray

    @property
    def window(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        return self.n, self.first_rank, self.values

    @property
    def clustered_window(self) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        return self.n, self.variance_below, self.first_rank, self.values


def quantile_estimates(
    comparisons: pd.DataFrame | Comparisons,
    order_statistics: pd.DataFrame = NOTHING,
    shares_below: pd.DataFrame = NOTHING,
    settings: Settings = DEFAULTS,
) -> list[EstimateRows]:
    """Compare the quantiles of both arms of every quantile metric.

    Independent values (unit values of units assigned one by one) are compared by the index bootstrap: percentile
    interval and p-value by its inversion, no test statistic. Values in clusters (events of a unit, everything where
    clusters were assigned) are compared by a t test whose standard errors are the spacing of the order statistics at a
    distance given by the cluster-robust variance of the share of values below, with the degrees of freedom of Bell and
    McCaffrey.

    Parameters
    ----------
    comparisons : DataFrame or Comparisons
        Comparisons of any metric type, with the columns of the model ``look_comparison``.
    order_statistics : DataFrame, optional
        The model ``order_statistic``: ``plan_key, variant_id, quantile, n, rank, n_equal, value``, one row per run of
        equal values. Without it (at the looks of a running experiment: order statistics cannot be carried from look to
        look as moments can) nothing is estimated.
    shares_below : DataFrame, optional
        The model ``share_below``: ``plan_key, variant_id, variance_below, satterthwaite_trace``, one row per arm whose
        values come in clusters.
    settings : Settings
        ``min_units``, and ``lift_interval`` for values in clusters; a bootstrapped lift has percentile limits.

    Returns
    -------
    list of EstimateRows
        Exactly one row ``quantile`` for every comparison of quantiles, ``is_unadjusted``. ``mean_control`` and
        ``mean_treatment`` are the sample quantiles (type 7). ``undefined_quantile`` where the order statistics that
        bound a quantile do not exist or are equal: there, no more than the effect is known. A comparison that cannot
        be made has its status and no numbers; so have looks and segments, for which no order statistics are kept
        (``estimator_unavailable``).

    References
    ----------
    See `quantiles.quantile_difference`, `clustered_quantiles.clustered_quantile_difference`.
    """
    table = Comparisons.of(comparisons)
    table = table.take(is_quantile(table))
    status = status_before(table, settings.min_units)
    kept = table.is_word("dimension", "all") & table.flag("is_last_look")
    if order_statistics.columns.empty:
        kept[:] = False
    status[(status == "") & ~kept] = "estimator_unavailable"
    unknown = status != ""
    missing = np.full(int(unknown.sum()), np.nan)
    # An arm's raw value is no quantile.
    parts = [
        estimate_rows(
            table.take(unknown), "quantile", Comparison(*(missing for _ in Comparison._fields)),
            status=status[unknown], mean_control=missing, mean_treatment=missing, is_unadjusted=True,
        )
    ]  # fmt: skip
    possible = table.take(~unknown)
    if len(possible):
        grouped = _grouped(possible, shares_below)
        parts += [
            (_clustered if grouped[rows[0]] else _independent)(
                possible.take(rows), order_statistics, shares_below, settings
            )
            for rows in _blocks(possible, grouped, order_statistics)
        ]
    return [part for part in parts if len(part)]


def _blocks(table: Comparisons, grouped: BoolArray, order_statistics: pd.DataFrame) -> list[IntArray]:
    """Rows of one kind and with windows of similar width: a block is as wide as its widest."""
    width = order_statistics.groupby(ARM_KEYS)["n_equal"].sum().groupby("plan_key").max()
    code, plans = table.words("plan_key")
    widest = width.reindex(plans).fillna(0).to_numpy()[code]
    order = np.argsort(widest, kind="stable")
    return [
        rows[start : start + BLOCK_OF_COMPARISONS]
        for rows in (order[~grouped[order]], order[grouped[order]])
        for start in range(0, len(rows), BLOCK_OF_COMPARISONS)
    ]


def _grouped(table: Comparisons, shares_below: pd.DataFrame) -> BoolArray:
    """Which comparisons are of values that come in clusters: those with a variance of their own for the share below."""
    code, plans = table.words("plan_key")
    return plans.isin(shares_below["plan_key"])[code] | table.flag("is_clustered")


def _independent(
    table: Comparisons, order_statistics: pd.DataFrame, shares_below: pd.DataFrame, settings: Settings
) -> EstimateRows:
    arms = [_arm(table, name, order_statistics, shares_below) for name in ARMS]
    q, plan = _probability(arms), table.plan
    result = quantile_difference(*arms[0].window, *arms[1].window, q, **plan)
    quantiles = [sample_quantile(arm.n, q, *arm.window[1:]) for arm in arms]
    method = np.where(np.isfinite(result.lift_ci_low), "bootstrap", "undefined")
    lift = Lift(result.lift, np.full(len(table), np.nan), result.lift_ci_low, result.lift_ci_high, method)
    missing = np.full(len(table), np.nan)
    comparison = Comparison(result.effect, result.se, missing, missing, result.p_value, result.ci_low, result.ci_high)
    se_control = quantile_standard_error(arms[0].n, q, *arms[0].window[1:])
    return _rows(table, comparison, result, quantiles, lift, np.where(result.undefined, np.nan, se_control**2))


def _clustered(
    table: Comparisons, order_statistics: pd.DataFrame, shares_below: pd.DataFrame, settings: Settings
) -> EstimateRows:
    arms = [_arm(table, name, order_statistics, shares_below) for name in ARMS]
    q, plan = _probability(arms), table.plan
    df = bell_mccaffrey_df(arms[0].n, arms[0].trace, arms[1].n, arms[1].trace)
    result = clustered_quantile_difference(*arms[0].clustered_window, *arms[1].clustered_window, q, df=df, **plan)
    quantiles = [sample_quantile(arm.n, q, *arm.window[1:]) for arm in arms]
    control = clustered_quantile_interval(arms[0].n, q, *arms[0].clustered_window[1:], df=df, alpha=plan["alpha"])
    lift = lift_interval(
        result.effect, result.se, quantiles[0], np.where(result.undefined, np.nan, control.se), df=df, **plan,
        method=settings.lift_interval,
    )  # fmt: skip
    with np.errstate(all="ignore"):
        statistic = result.effect / result.se
    comparison = Comparison(
        result.effect, result.se, statistic, np.where(result.undefined, np.nan, df), result.p_value, result.ci_low,
        result.ci_high,
    )  # fmt: skip
    return _rows(table, comparison, result, quantiles, lift, control.se**2)


def _rows(
    table: Comparisons,
    comparison: Comparison,
    result: QuantileComparison,
    quantiles: list[FloatArray],
    lift: Lift,
    control_variance: FloatArray,
) -> EstimateRows:
    return estimate_rows(
        table, "quantile", comparison, status=np.where(result.undefined, "undefined_quantile", "ok"), lift=lift,
        mean_control=quantiles[0], mean_treatment=quantiles[1], is_unadjusted=True,
        variance_reduction=np.where(result.undefined, np.nan, 0.0), control_variance=control_variance,
    )  # fmt: skip


def _probability(arms: list[_Arm]) -> FloatArray:
    """Return the probability of each comparison; any number will do where neither arm has values."""
    q = np.where(np.isnan(arms[0].quantile), arms[1].quantile, arms[0].quantile)
    return np.where(np.isnan(q), 0.5, q)


def _arm(table: Comparisons, name: str, order_statistics: pd.DataFrame, shares_below: pd.DataFrame) -> _Arm:
    """Pick one arm of each comparison, its runs of equal values spread out to a row of a rectangle."""
    found = rows_of_arm(table, order_statistics, name)
    runs = order_statistics.iloc[found.row].assign(row=found.comparison).sort_values(["row", "rank"])
    row, count = runs["row"].to_numpy(), runs["n_equal"].to_numpy(dtype=np.int64)
    first = np.flatnonzero(np.diff(row, prepend=-1))
    owner = row[first]
    ends = np.cumsum(count)
    length = np.add.reduceat(count, first) if first.size else np.zeros(0, dtype=np.int64)
    start = np.repeat(ends[first] - count[first], length)
    values = np.full((len(table), max(int(length.max(initial=0)), 1)), np.nan)
    values[np.repeat(owner, length), np.arange(length.sum()) - start] = np.repeat(
        runs["value"].to_numpy(dtype=np.float64), count
    )
    n, q, rank = np.full((3, len(table)), np.nan)
    for column, target in (("n", n), ("quantile", q), ("rank", rank)):
        target[owner] = runs[column].to_numpy(dtype=np.float64)[first]
    variance, trace = np.full((2, len(table)), np.nan)
    found = rows_of_arm(table, shares_below, name)
    for column, target in (("variance_below", variance), ("satterthwaite_trace", trace)):
        target[found.comparison] = shares_below[column].to_numpy(dtype=np.float64, na_value=np.nan)[found.row]
    return _Arm(
        n=n,
        quantile=q,
        first_rank=rank,
        values=values,
        variance_below=variance,
        trace=trace,
    )
