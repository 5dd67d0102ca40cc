"""Rates with few events: an exact test and score intervals, where the normal approximation does not hold."""

from __future__ import annotations

import numpy as np
import pandas as pd

from python_stats.analysis.estimate_rows import estimate_rows, level_and_side
from python_stats.contingency import fisher_exact_2x2
from python_stats.lift import Lift
from python_stats.proportion_score import miettinen_nurminen_interval, score_ratio_interval
from python_stats.wald import Comparison

RATES = ("proportion", "retention")


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
    See `contingency.fisher_exact_2x2`, `proportion_score.miettinen_nurminen_interval` and
    `proportion_score.score_ratio_interval`.
    """
    rates = comparisons[comparisons["metric_type"].isin(RATES) & ~comparisons["is_clustered"].astype(bool)]
    n = [rates[f"n_{arm}"].to_numpy(dtype=np.float64) for arm in ("control", "treatment")]
    means = [rates[f"mean_numerator_{arm}"].to_numpy(dtype=np.float64) for arm in ("control", "treatment")]
    # Counts of successes are whole numbers that travelled as a mean.
    successes = [np.rint(mean * units) for mean, units in zip(means, n, strict=True)]
    with np.errstate(all="ignore"):
        pooled = (successes[0] + successes[1]) / (n[0] + n[1])
        fewest = np.minimum(n[0], n[1]) * np.minimum(pooled, 1 - pooled)
    wanted = (fewest < exact_below) | (rates["estimator"] == "exact").to_numpy()
    picked = wanted & (pooled > 0) & (pooled < 1)

    table = rates[picked].reset_index(drop=True)
    counts = [column[picked] for pair in zip(successes, n, strict=True) for column in pair]
    plan = level_and_side(table)
    rate = [counts[0] / counts[1], counts[2] / counts[3]]
    effect = rate[1] - rate[0]
    variance = [r * (1 - r) / units for r, units in zip(rate, (counts[1], counts[3]), strict=True)]
    missing = np.full(len(table), np.nan)
    interval = miettinen_nurminen_interval(*counts, **plan)
    comparison = Comparison(
        effect=effect,
        se=np.sqrt(variance[0] + variance[1]),
        statistic=missing,
        df=missing,
        p_value=fisher_exact_2x2(*counts, alternative=plan["alternative"]),
        ci_low=interval.ci_low,
        ci_high=interval.ci_high,
    )
    ratio = score_ratio_interval(*counts, small_sample_factor=True, **plan)
    with np.errstate(all="ignore"):
        lift = np.where(rate[0] > 0, effect / rate[0], np.nan)
    known = np.isfinite(lift)
    lifts = Lift(lift, missing, *(np.where(known, limit - 1, np.nan) for limit in ratio), np.full(len(table), "score"))
    return estimate_rows(
        table, "exact", comparison, lift=lifts, is_unadjusted=False, variance_reduction=np.zeros(len(table))
    )
