"""Time functions of python_stats beside those of scipy and statsmodels, and print costs and differences as JSON.

Both sides get the same comparisons in the same process: ours all of them in one call, the library in one call where it
takes arrays of comparisons and one after the other where it does not. What the library returns must be ours.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import python_stats as ours
from python_stats.bisection import increasing_root
from python_stats.families.multiplicity import adjust
from python_stats.t_quantile import t_quantile

Numbers = NDArray[np.float64]
Columns = dict[str, Any]

# Each timing repeats the call for at least this long.
LEAST_SECONDS = 0.2
FAMILY = 20
WRONG_CUBIC = "restricted rates from a cubic with a wrong coefficient"
MODULES = ("scipy.special", "scipy.stats", "scipy.optimize", "statsmodels.stats.proportion", "statsmodels.stats.power",
           "statsmodels.stats.multitest", "statsmodels.stats.meta_analysis", "python_stats")  # fmt: skip


@dataclass(frozen=True)
class Pair:
    """A function of ours and the one of a library that answers the same question.

    ``mine`` takes the columns of all comparisons. ``theirs`` does so too where ``takes_arrays``; else it takes the
    columns of one. Both return the numbers that are compared, to ``tolerance`` (relative). ``may_fail`` names what is
    known to be wrong on their side, for the share of comparisons in which they differ or stop with an error.
    """

    name: str
    library: str
    mine: Callable[[Columns], Any]
    theirs: Callable[[Columns], Any]
    takes_arrays: bool = False
    tolerance: float = 1e-9
    most_cells: int = 1_000_000
    may_fail: str = ""


def columns(cells: int, *, seed: int = 1) -> Columns:
    """Draw the comparisons: rates, means, effects, families of p-values, tables and counts of arms."""
    rng = np.random.default_rng(seed)
    n_c, n_t = rng.integers(200, 5_000, (2, cells))
    rate = rng.uniform(0.05, 0.4, cells)
    families = cells // FAMILY
    return {
        "n_c": n_c, "n_t": n_t, "x_c": rng.binomial(n_c, rate), "x_t": rng.binomial(n_t, rate),
        "mean_c": rng.normal(10.0, 1.0, cells), "mean_t": rng.normal(10.1, 1.0, cells),
        "var_c": rng.gamma(9.0, 1.0, cells), "var_t": rng.gamma(9.0, 1.0, cells),
        "benchmark": rng.uniform(0.1, 0.3, cells), "rate": rate, "other": rate + rng.uniform(0.02, 0.1, cells),
        "p": rng.uniform(0.0, 1.0, (families, FAMILY)) ** 2,
        "effect": rng.normal(0.0, 3.0, (families, FAMILY)), "se": rng.uniform(0.5, 2.0, (families, FAMILY)),
        "table": rng.integers(5, 60, (cells, 3, 4)), "arms": rng.integers(900, 1_100, (cells, 3)),
        "arm_mean": rng.normal(10.0, 1.0, (cells, 4)), "arm_var": rng.gamma(9.0, 1.0, (cells, 4)),
        "arm_n": rng.integers(20, 200, (cells, 4)), "df": rng.uniform(3.0, 5_000.0, cells),
        "size": rng.integers(50, 500, cells).astype(float),
    }  # fmt: skip


def rates(c: Columns) -> tuple[Any, ...]:
    """Return successes and units of both arms as our functions take them."""
    return c["x_c"], c["n_c"], c["x_t"], c["n_t"]


def turned(c: Columns) -> tuple[Any, ...]:
    """Return them with treatment first, as statsmodels takes them."""
    return c["x_t"], c["n_t"], c["x_c"], c["n_c"]


def means(c: Columns) -> tuple[Any, ...]:
    """Return means, variances and units of both arms."""
    return c["mean_c"], c["var_c"], c["n_c"], c["mean_t"], c["var_t"], c["n_t"]


def spreads(c: Columns) -> tuple[Any, ...]:
    """Return the same with standard deviations, as scipy takes them."""
    return c["mean_c"], np.sqrt(c["var_c"]), c["n_c"], c["mean_t"], np.sqrt(c["var_t"]), c["n_t"]


def limits(interval: ours.Interval | tuple[Any, Any]) -> Numbers:
    """Return both limits, side by side."""
    low, high = (interval.ci_low, interval.ci_high) if hasattr(interval, "ci_low") else interval
    return np.stack([low, high], axis=-1)


def group(c: Columns) -> NDArray[np.intp]:
    """Return the family of each of the p-values."""
    return np.repeat(np.arange(len(c["p"])), c["p"].shape[1])


def pairs() -> list[Pair]:
    """Import the libraries and list what both sides offer from the same numbers."""
    from scipy import special, stats
    from scipy.optimize import elementwise
    from scipy.stats.contingency import odds_ratio
    from statsmodels.stats import meta_analysis, multitest, oneway, power, proportion

    def two_indep(method: str, **options: str | bool) -> Callable[[Columns], Numbers]:
        return lambda c: limits(proportion.confint_proportions_2indep(*turned(c), method=method, **options))

    def corrected(method: str, name: str) -> tuple[Callable[[Columns], Numbers], Callable[[Columns], Numbers]]:
        return (
            lambda c: adjust(c["p"], np.arange(len(c["p"]))[:, None], method),
            lambda c: multitest.multipletests(c["p"], method=name)[1],
        )

    def odds(c: Columns) -> Numbers:
        table = [[c["x_t"], c["n_t"] - c["x_t"]], [c["x_c"], c["n_c"] - c["x_c"]]]
        result = odds_ratio(table)
        interval = result.confidence_interval()
        return np.array([result.statistic, interval.low, interval.high])

    def our_odds(c: Columns) -> Numbers:
        result = ours.conditional_odds_ratio(*rates(c))
        return np.stack([result.odds_ratio, result.ci_low, result.ci_high], axis=-1)

    student, normal = power.TTestIndPower(), power.NormalIndPower()
    return [
        Pair("welch_t", "scipy.stats.ttest_ind_from_stats", lambda c: ours.welch_t(*means(c)).p_value,
             lambda c: stats.ttest_ind_from_stats(*spreads(c), equal_var=False).pvalue, takes_arrays=True),
        Pair("pooled_t", "scipy.stats.ttest_ind_from_stats", lambda c: ours.pooled_t(*means(c)).p_value,
             lambda c: stats.ttest_ind_from_stats(*spreads(c)).pvalue, takes_arrays=True),
        Pair("two_proportion_z", "statsmodels proportions_ztest", lambda c: ours.two_proportion_z(*rates(c)).p_value,
             lambda c: proportion.proportions_ztest([c["x_t"], c["x_c"]], [c["n_t"], c["n_c"]])[1]),
        Pair("one_proportion_z", "statsmodels proportions_ztest",
             lambda c: ours.one_proportion_z(c["x_c"], c["n_c"], c["benchmark"]).p_value,
             lambda c: proportion.proportions_ztest(c["x_c"], c["n_c"], c["benchmark"], prop_var=c["benchmark"])[1]),
        Pair("newcombe_interval", "statsmodels confint_proportions_2indep",
             lambda c: limits(ours.newcombe_interval(*rates(c))), two_indep("newcomb"), takes_arrays=True),
        Pair("agresti_caffo_interval", "statsmodels confint_proportions_2indep",
             lambda c: limits(ours.agresti_caffo_interval(*rates(c))), two_indep("agresti-caffo"), takes_arrays=True),
        Pair("miettinen_nurminen_interval", "statsmodels confint_proportions_2indep",
             lambda c: limits(ours.miettinen_nurminen_interval(*rates(c))), two_indep("score", correction=True),
             tolerance=1e-6, most_cells=20_000, may_fail=WRONG_CUBIC),
        Pair("mee_interval", "statsmodels confint_proportions_2indep",
             lambda c: limits(ours.mee_interval(*rates(c))), two_indep("score", correction=False),
             tolerance=1e-6, most_cells=20_000, may_fail=WRONG_CUBIC),
        Pair("score_ratio_interval", "statsmodels confint_proportions_2indep",
             lambda c: limits(ours.score_ratio_interval(*rates(c))),
             two_indep("score", compare="ratio", correction=False), tolerance=1e-6, most_cells=20_000),
        Pair("farrington_manning", "statsmodels test_proportions_2indep",
             lambda c: ours.farrington_manning(*rates(c), null=-0.02, alternative="two_sided").p_value,
             lambda c: proportion.test_proportions_2indep(*turned(c), value=-0.02, method="score",
                                                          correction=False).pvalue,
             tolerance=1e-6, most_cells=20_000, may_fail=WRONG_CUBIC),
        Pair("wilson_interval", "statsmodels proportion_confint",
             lambda c: limits(ours.wilson_interval(c["x_c"], c["n_c"])),
             lambda c: limits(proportion.proportion_confint(c["x_c"], c["n_c"], method="wilson")), takes_arrays=True),
        Pair("clopper_pearson_interval", "statsmodels proportion_confint",
             lambda c: limits(ours.clopper_pearson_interval(c["x_c"], c["n_c"])),
             lambda c: limits(proportion.proportion_confint(c["x_c"], c["n_c"], method="beta")), takes_arrays=True,
             most_cells=100_000),
        Pair("exact_binomial_test", "scipy.stats.binomtest",
             lambda c: ours.exact_binomial_test(c["x_c"], c["n_c"], c["benchmark"]),
             lambda c: stats.binomtest(int(c["x_c"]), int(c["n_c"]), float(c["benchmark"])).pvalue,
             tolerance=1e-6, most_cells=50_000),
        Pair("fisher_exact_2x2", "scipy.stats.fisher_exact", lambda c: ours.fisher_exact_2x2(*rates(c)),
             lambda c: stats.fisher_exact([[c["x_t"], c["n_t"] - c["x_t"]], [c["x_c"], c["n_c"] - c["x_c"]]]).pvalue,
             tolerance=1e-6, most_cells=2_000),
        Pair("conditional_odds_ratio", "scipy.stats.contingency.odds_ratio", our_odds, odds,
             tolerance=1e-6, most_cells=200),
        Pair("chi_square_rxc", "scipy.stats.chi2_contingency", lambda c: ours.chi_square_rxc(c["table"]).p_value,
             lambda c: stats.chi2_contingency(c["table"], correction=False).pvalue, most_cells=200_000),
        Pair("srm_chi_square", "scipy.stats.chisquare",
             lambda c: ours.srm_chi_square(c["arms"], [1.0, 1.0, 1.0]).p_value,
             lambda c: stats.chisquare(c["arms"], axis=-1).pvalue, takes_arrays=True),
        Pair("adjust, bh", "scipy.stats.false_discovery_control", corrected("bh", "")[0],
             lambda c: stats.false_discovery_control(c["p"], axis=-1), takes_arrays=True),
        Pair("adjust, bh", "statsmodels multipletests", *corrected("bh", "fdr_bh")),
        Pair("adjust, holm", "statsmodels multipletests", *corrected("holm", "holm")),
        Pair("adjust, hommel", "statsmodels multipletests", *corrected("hommel", "hommel"), most_cells=100_000),
        Pair("welch_anova", "statsmodels anova_generic",
             lambda c: ours.welch_anova(c["arm_mean"], c["arm_var"] / c["arm_n"], c["arm_n"] - 1.0).p_value,
             lambda c: oneway.anova_generic(c["arm_mean"], c["arm_var"], c["arm_n"], use_var="unequal").pvalue,
             most_cells=200_000),
        Pair("random_effects", "statsmodels combine_effects",
             lambda c: ours.random_effects(c["effect"].ravel(), c["se"].ravel(), group(c)).effect,
             lambda c: meta_analysis.combine_effects(c["effect"], c["se"] ** 2, method_re="dl").mean_effect_re),
        Pair("power_means, normal", "statsmodels NormalIndPower",
             lambda c: ours.power_means(0.3, c["size"], var_control=1.0, both_tails=True),
             lambda c: normal.power(0.3, c["size"], 0.05), takes_arrays=True),
        Pair("power_means, t", "statsmodels TTestIndPower",
             lambda c: ours.power_means(0.3, c["size"], var_control=1.0, distribution="t", both_tails=True),
             lambda c: student.power(0.3, c["size"], 0.05), takes_arrays=True, most_cells=20_000, tolerance=1e-7),
        Pair("sample_size_means, t", "statsmodels TTestIndPower",
             lambda c: ours.sample_size_means(np.full(c["size"].shape, 0.3) + 1e-4 * c["size"], var_control=1.0,
                                              distribution="t", both_tails=True).n_control,
             lambda c: student.solve_power(0.3 + 1e-4 * c["size"], alpha=0.05, power=0.8),
             most_cells=500, tolerance=1e-5),
        Pair("t_quantile", "scipy.special.stdtrit", lambda c: t_quantile(c["df"] + 400.0, 0.025),
             lambda c: -special.stdtrit(c["df"] + 400.0, 0.025), takes_arrays=True, tolerance=1e-12),
        Pair("increasing_root", "scipy.optimize.elementwise.find_root",
             lambda c: increasing_root(lambda x: x**3 - c["df"], 0.0, 100.0),
             lambda c: elementwise.find_root(lambda x, df: x**3 - df, (0.0, 100.0), args=(c["df"],)).x,
             takes_arrays=True, most_cells=200_000, tolerance=1e-12),
    ]  # fmt: skip


def cost(call: Callable[[], Any], cells: int) -> tuple[Any, float]:
    """Return the result and the CPU seconds per comparison; the first call warms up and is not counted."""
    result = call()
    repeats, started = 0, time.process_time()
    while repeats == 0 or time.process_time() - started < LEAST_SECONDS:
        call()
        repeats += 1
    return result, (time.process_time() - started) / repeats / cells


def first(c: Columns, cells: int) -> Columns:
    """Keep the first comparisons; a family counts as `FAMILY` of them."""
    return {
        name: column[: max(1, cells // FAMILY)] if name in ("p", "effect", "se") else column[:cells]
        for name, column in c.items()
    }


def in_families(pair: Pair) -> bool:
    """Tell whether a pair works on families."""
    return pair.name.startswith(("adjust", "random_effects"))


def one_by_one(pair: Pair, c: Columns) -> list[Any]:
    """Call the library for each comparison, or family, on its own; None where it stops with an error."""
    rows = len(c["p"] if in_families(pair) else c["n_c"])
    found = []
    for row in range(rows):
        try:
            found.append(pair.theirs({name: column[row] for name, column in c.items() if row < len(column)}))
        except ValueError:
            if not pair.may_fail:
                raise
            found.append(None)
    return found


def compare(pair: Pair, c: Columns, *, cells: int, few: int) -> dict[str, Any]:
    """Time both sides of a pair on the same comparisons and take the largest relative difference."""
    own = first(c, min(cells, pair.most_cells))
    own_cells = own["p"].size if in_families(pair) else len(own["n_c"])
    mine, own_cost = cost(lambda: pair.mine(own), own_cells)
    given = own if pair.takes_arrays else first(c, few)
    given_cells = given["p"].size if in_families(pair) else len(given["n_c"])
    theirs, library_cost = cost(
        lambda: pair.theirs(given) if pair.takes_arrays else one_by_one(pair, given), given_cells
    )
    mine = np.asarray(mine, dtype=np.float64)
    errors = [row for row, found in enumerate(theirs) if found is None] if isinstance(theirs, list) else []
    if errors:
        theirs = [mine[row] if found is None else found for row, found in enumerate(theirs)]
    theirs = np.asarray(theirs, dtype=np.float64)
    difference = np.abs(mine[: len(theirs)] - theirs) / np.maximum(np.abs(theirs), 1e-12)
    # a NaN on one side only is no agreement either
    differs = ~(difference <= pair.tolerance) & ~(np.isnan(mine[: len(theirs)]) & np.isnan(theirs))
    differs = differs.reshape(len(theirs), -1).any(axis=1)
    return {
        "name": pair.name,
        "library": pair.library,
        "takes_arrays": pair.takes_arrays,
        "may_fail": pair.may_fail,
        "own_seconds": own_cost,
        "library_seconds": library_cost,
        "compared": len(theirs),
        "errors": len(errors),
        "differ": int(differs.sum()),
        "largest_difference": float(np.nanmax(difference)),
    }


def import_seconds(modules: Iterable[str]) -> dict[str, float]:
    """CPU seconds that importing a module takes in a process of its own, beyond NumPy's and Python's."""
    script = "import time, numpy\nbefore = time.process_time()\nimport {}\nprint(time.process_time() - before)"
    found = {}
    for module in modules:
        command = [sys.executable, "-c", script.format(module)]
        found[module] = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def run(*, cells: int, few: int) -> dict[str, Any]:
    """Measure every pair once."""
    drawn = columns(cells)
    return {"cells": cells, "few": few, "pairs": [compare(pair, drawn, cells=cells, few=few) for pair in pairs()]}


def main() -> None:
    """Measure and print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, required=True)
    parser.add_argument("--few", type=int, required=True)
    arguments = parser.parse_args()
    result = run(cells=arguments.cells, few=arguments.few)
    print(json.dumps({**result, "imports": import_seconds(MODULES)}))


if __name__ == "__main__":
    main()
