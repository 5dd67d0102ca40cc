"""Rates with few events: an exact test and score intervals, where the normal approximation does not hold."""

from __future__ import annotations

import numpy as np
import pandas as pd

from python_stats.analysis.estimate_rows import estimate_rows, level_and_side
from python_stats.analysis.rate_counts import is_rate, rate_counts, score_intervals
from python_stats.rates.contingency import fisher_exact_2x2
from python_stats.wald import Comparison


def rate_estimates(comparisons: pd.DataFrame, *, exact_below: float = 10.0) -> pd.DataFrame:
    """Compare rates with few events by Fisher's exact test and Miettinen and Nurminen's intervals.

    Parameters
    ----------
    comparisons : DataFrame
        Comparisons that can be made, with the columns of the model ``look_comparison``.
    exact_below : float, default 10
        A comparison counts as small when some arm expects fewer units than this with, or without, the outcome (the
        pooled rate times the arm's units). Cochran's rule for a chi-square is 5; the larger number is where the
        calibration table shows the z test and its interval at their nominal levels.

    Returns
    -------
    DataFrame
        One row ``exact`` for every small comparison of rates of independent units, and for every one whose plan asks
        for it; none where nobody or everybody had the outcome, about which no test says anything. There is no test
        statistic; the standard error is the unpooled one. Test and interval invert different tests, so at the margin
        they can disagree: the test decides.

    References
    ----------
    See `contingency.fisher_exact_2x2` and `rate_counts.score_intervals`.
    """
    rates = comparisons[is_rate(comparisons) & ~comparisons["is_clustered"].to_numpy(dtype=bool)]
    counts = rate_counts(rates)
    wanted = (counts.fewest_expected < exact_below) | (rates["estimator"] == "exact").to_numpy()
    picked = wanted & (counts.fewest_expected > 0)

    table, counts = rates[picked].reset_index(drop=True), counts.at(picked)
    plan = level_and_side(table)
    rate = [counts.successes_control / counts.n_control, counts.successes_treatment / counts.n_treatment]
    effect = rate[1] - rate[0]
    variance = [r * (1 - r) / n for r, n in zip(rate, (counts.n_control, counts.n_treatment), strict=True)]
    missing = np.full(len(table), np.nan)
    low, high, lift = score_intervals(counts, effect, plan)
    comparison = Comparison(
        effect=effect,
        se=np.sqrt(variance[0] + variance[1]),
        statistic=missing,
        df=missing,
        p_value=fisher_exact_2x2(*counts, alternative=plan["alternative"]),
        ci_low=low,
        ci_high=high,
    )
    return estimate_rows(
        table, "exact", comparison, lift=lift, is_unadjusted=False, variance_reduction=np.zeros(len(table))
    )


def with_score_intervals(rows: pd.DataFrame, table: pd.DataFrame, score_below: float) -> pd.DataFrame:
    """Give the z test of rates with few events the intervals that belong to it.

    The pooled z test is the score test; its unpooled (Wald's) interval covers too little where an arm has few events,
    93 % at a nominal 95 % with ten expected in the smaller of two very unequal arms.

    Parameters
    ----------
    rows : DataFrame
        The raw comparisons of all metrics, one row per row of ``table``, as `estimate_rows` lays them out.
    table : DataFrame
        The comparisons, with the columns of the model ``look_comparison``.
    score_below : float
        Expected units with, or without, the outcome in the smaller arm below which the score intervals are taken.

    Returns
    -------
    DataFrame
        The rows, with the intervals of effect and lift replaced where few events are expected.

    References
    ----------
    See `rate_counts.score_intervals`.
    """
    counts = rate_counts(table)
    tested = (rows["estimator"] == "difference").to_numpy() & rows["p_value"].notna().to_numpy()
    few = np.flatnonzero(is_rate(table) & tested & (counts.fewest_expected < score_below))
    if not few.size:
        return rows
    effect = rows["effect"].to_numpy(dtype=np.float64)[few]
    low, high, lift = score_intervals(counts.at(few), effect, level_and_side(table.iloc[few]))
    rows = rows.copy()
    for name, values in {
        "effect_ci_low": low, "effect_ci_high": high,
        "lift_ci_low": lift.ci_low, "lift_ci_high": lift.ci_high,
        "lift_method": np.where(np.isfinite(lift.lift), lift.method, None),
    }.items():  # fmt: skip
        rows.iloc[few, rows.columns.get_loc(name)] = values
    return rows
