"""The treatment alone against a fixed value, such as a conversion rate that must exceed 60 %."""

from __future__ import annotations

import numpy as np
import pandas as pd

from python_stats.analysis.settings import DEFAULTS, Settings
from python_stats.analysis.table.comparisons import Comparisons
from python_stats.analysis.table.estimate_rows import EstimateRows, estimate_rows, raw_value
from python_stats.analysis.table.metric_types import is_quantile, is_rate, is_ratio
from python_stats.means.ratios import linearised_variance
from python_stats.rates.one_proportion import clopper_pearson_interval, exact_binomial_test, one_proportion_z
from python_stats.wald import Comparison, wald


def benchmark_estimates(comparisons: pd.DataFrame | Comparisons, settings: Settings = DEFAULTS) -> list[EstimateRows]:
    """Compare the treatment's value with the plan's benchmark, in one sample.

    Rates take the z test with the null's variance and Wilson's interval, or the exact binomial test and Clopper and
    Pearson's interval where the benchmark lets fewer than ``exact_below`` units with, or without, the outcome be
    expected; means take Student's t, ratios the delta method.

    Parameters
    ----------
    comparisons : DataFrame or Comparisons
        Comparisons that can be made, with the columns of the model ``look_comparison``.
    settings : Settings
        ``exact_below``: expected count below which rates are tested exactly.

    Returns
    -------
    list of EstimateRows
        A row ``benchmark`` for every comparison of independent units whose plan has a benchmark: the effect is the
        treatment's value minus the benchmark, the control's value is missing. A rate with a benchmark outside (0, 1)
        has the status ``bad_benchmark``, a value that does not vary ``zero_variance``.

    References
    ----------
    See `one_proportion` and `ratios.linearised_variance`.
    """
    table = Comparisons.of(comparisons)
    wanted = ~np.isnan(table.number("benchmark")) & ~table.flag("is_clustered") & ~is_quantile(table)
    if not wanted.any():
        return []
    table = table.take(wanted)
    plan = table.plan
    names = ("n", "mean_numerator", "mean_denominator", "var_numerator", "var_denominator", "cov_numerator_denominator")
    n, mean, denominator, variance, var_denominator, cov = (table.number(f"{name}_treatment") for name in names)
    benchmark = table.number("benchmark")
    ratios, rates = is_ratio(table), is_rate(table)
    value = raw_value(table, "treatment")
    with np.errstate(all="ignore"):
        spread = np.where(ratios, linearised_variance(mean, denominator, variance, var_denominator, cov), variance)
        result = wald(value - benchmark, np.sqrt(spread / n), np.where(ratios, np.inf, n - 1), **plan)
        successes = np.rint(np.where(rates, mean * n, 0.0))
        few = rates & (n * np.minimum(benchmark, 1 - benchmark) < settings.exact_below)
    result = _where(rates, one_proportion_z(successes, n, benchmark, **plan), result)
    result = _where(few, _exact(successes, n, benchmark, plan), result)
    outside = rates & ~((benchmark > 0) & (benchmark < 1))
    result = _where(outside, Comparison(*(np.full(len(table), np.nan) for _ in Comparison._fields)), result)
    status = np.where(np.isfinite(result.p_value), "ok", np.where(outside, "bad_benchmark", "zero_variance"))
    missing = np.full(len(table), np.nan)
    return [estimate_rows(table, "benchmark", result, status=status, mean_control=missing, is_unadjusted=False)]


def _exact(successes: np.ndarray, n: np.ndarray, benchmark: np.ndarray, plan: dict[str, np.ndarray]) -> Comparison:
    """Lay the exact test of a rate out as a comparison."""
    missing = np.full(successes.shape, np.nan)
    with np.errstate(all="ignore"):
        rate = successes / n
        se = np.sqrt(benchmark * (1 - benchmark) / n)
    limits = clopper_pearson_interval(successes, n, **plan)
    low = np.where(plan["alternative"] == "less", -np.inf, limits.ci_low - benchmark)
    high = np.where(plan["alternative"] == "greater", np.inf, limits.ci_high - benchmark)
    p_value = exact_binomial_test(successes, n, benchmark, alternative=plan["alternative"])
    return Comparison(rate - benchmark, se, missing, missing, p_value, low, high)


def _where(condition: np.ndarray, a: Comparison, b: Comparison) -> Comparison:
    """Pick a comparison cell by cell."""
    return Comparison(*(np.where(condition, x, y) for x, y in zip(a, b, strict=True)))
