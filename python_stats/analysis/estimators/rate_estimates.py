"""Rates with few events: an exact test and score intervals, where the normal approximation does not hold."""

from __future__ import annotations

import numpy as np
import pandas as pd

from python_stats.analysis.estimators.rate_counts import rate_counts, score_intervals
from python_stats.analysis.settings import DEFAULTS, Settings
from python_stats.analysis.table.comparisons import Comparisons
from python_stats.analysis.table.estimate_rows import EstimateRows, estimate_rows
from python_stats.analysis.table.metric_types import is_rate
from python_stats.rates.contingency import fisher_exact_2x2
from python_stats.wald import Comparison


def rate_estimates(comparisons: pd.DataFrame | Comparisons, settings: Settings = DEFAULTS) -> list[EstimateRows]:
    """Compare rates with few events by Fisher's exact test and Miettinen and Nurminen's intervals.

    Parameters
    ----------
    comparisons : DataFrame or Comparisons
        Comparisons that can be made, with the columns of the model ``look_comparison``.
    settings : Settings
        ``exact_below``: a comparison counts as small when some arm expects fewer units than this with, or without, the
        outcome (the pooled rate times the arm's units). Cochran's rule for a chi-square is 5; ten is where the
        calibration table shows the z test and its interval at their nominal levels.

    Returns
    -------
    list of EstimateRows
        A row ``exact`` for every small comparison of rates of independent units, and for every one whose plan asks
        for it; none where nobody or everybody had the outcome, about which no test says anything. There is no test
        statistic; the standard error is the unpooled one. Test and interval invert different tests, so at the margin
        they can disagree: the test decides.

    References
    ----------
    See `python_stats.fisher_exact_2x2` and `rate_counts.score_intervals`.
    """
    rates = Comparisons.of(comparisons)
    rates = rates.take(is_rate(rates) & ~rates.flag("is_clustered"))
    expected = rate_counts(rates).fewest_expected
    wanted = (expected < settings.exact_below) | rates.is_word("estimator", "exact")
    table = rates.take(wanted & (expected > 0))
    if not len(table):
        return []

    counts, plan = rate_counts(table), table.plan
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
    return [
        estimate_rows(
            table, "exact", comparison, lift=lift, is_unadjusted=False, variance_reduction=np.zeros(len(table))
        )
    ]


def with_score_intervals(rows: EstimateRows, score_below: float) -> EstimateRows:
    """Give the z test of rates with few events the intervals that belong to it.

    The pooled z test is the score test; its unpooled (Wald's) interval covers too little where an arm has few events,
    93 % at a nominal 95 % with ten expected in the smaller of two very unequal arms.

    Parameters
    ----------
    rows : EstimateRows
        Comparisons by one estimator; those by another one than ``difference`` are returned as they are.
    score_below : float
        Expected units with, or without, the outcome in the smaller arm below which the score intervals are taken.

    Returns
    -------
    EstimateRows
        The rows, with the intervals of effect and lift replaced where few events are expected.

    References
    ----------
    See `rate_counts.score_intervals`.
    """
    if rows.estimator != "difference":
        return rows
    counts = rate_counts(rows.table)
    tested = np.isfinite(rows["p_value"])
    few = np.flatnonzero(is_rate(rows.table) & tested & (counts.fewest_expected < score_below))
    if not few.size:
        return rows
    low, high, lift = score_intervals(counts.at(few), rows["effect"][few], rows.table.take(few).plan)
    replaced = {
        "effect_ci_low": low, "effect_ci_high": high,
        "lift_ci_low": lift.ci_low, "lift_ci_high": lift.ci_high,
        "lift_method": np.where(np.isfinite(lift.lift), np.asarray(lift.method, dtype=object), None),
    }  # fmt: skip
    columns = {name: np.array(rows[name]) for name in replaced}
    for name, values in replaced.items():
        columns[name][few] = values
    return rows.having(**columns)
