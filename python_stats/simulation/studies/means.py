"""Means of independent units: normal, skewed, mostly zero, in even and lopsided arms; and what is robust to tails."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from python_stats.analysis.estimators.rank_estimates import rank_estimates
from python_stats.analysis.estimators.robust_estimates import geometric_estimates, trimmed_estimates
from python_stats.analysis.table.estimate_rows import frame_of
from python_stats.lift import fieller_lift, linear_delta_lift
from python_stats.means.robust import cut_ranks
from python_stats.means.skewness import skewness_of_difference
from python_stats.means.welch import pooled_t, welch_t
from python_stats.moments import moments_of
from python_stats.simulation.populations import Population, lognormal, normal, poisson, zero_inflated
from python_stats.simulation.reductions import ranks, triple_sums
from python_stats.simulation.shipped import arm_rows, by_estimator, comparison_frame, shipped
from python_stats.simulation.study import Simulate, Study
from python_stats.simulation.trials import Trials, compared

FloatArray = NDArray[np.float64]

GROUP = "Means"
SPLIT_GROUP = "Lopsided splits, by the skewness of the difference"
ROBUST_GROUP = "Heavy tails and ranks"


def two_means(
    control: Population, treatment: Population, n: tuple[int, int], *, lift: float, alternative: str = "two_sided"
) -> Simulate:
    """Means of two populations with equal means; the effect multiplies the treatment's values."""

    def simulate(rng: np.random.Generator, replications: int, with_effect: bool) -> dict[str, Trials]:
        factor = 1 + lift if with_effect else 1.0
        truth = treatment.mean * factor - control.mean
        lift_truth = truth / abs(control.mean)
        values = [
            population.draw(rng, (replications, size)) * scale
            for population, size, scale in zip((control, treatment), n, (1.0, factor), strict=True)
        ]
        frame = _frame(values, alternative=alternative)
        result = shipped(frame, truth, lift_truth, with_headline=True)
        if alternative != "two_sided":
            return result
        arms = [moments_of(arm[..., None]) for arm in values]
        parts = [column for arm in arms for column in (arm.mean[:, 0], arm.var[:, 0], arm.n)]
        welch = welch_t(*parts)
        base = (arms[0].mean[:, 0], np.sqrt(arms[0].var[:, 0] / arms[0].n))
        fieller = fieller_lift(welch.effect, welch.se, *base, df=welch.df)
        linear = linear_delta_lift(welch.effect, welch.se, *base, df=welch.df)
        result["pooled_t, linear lift"] = compared(pooled_t(*parts), truth, linear, lift_truth)
        result["welch_t, Fieller lift"] = compared(welch, truth, fieller, lift_truth)
        return result

    return simulate


def tails(population: Population, n: tuple[int, int], *, lift: float, trimmed: bool, geometric: bool) -> Simulate:
    """Robust comparisons of the same population; the effect multiplies the treatment's values."""

    def simulate(rng: np.random.Generator, replications: int, with_effect: bool) -> dict[str, Trials]:
        factor = 1 + lift if with_effect else 1.0
        values = [population.draw(rng, (replications, size)) for size in n]
        values[1] = values[1] * factor
        truth = population.mean * (factor - 1)
        whole = _frame(values)
        result = shipped(whole, truth, factor - 1, with_headline=True)
        both = np.concatenate(values, axis=1)
        caps = {"capped at p99 of all units": np.quantile(both, 0.99, axis=1)}
        if not trimmed:
            caps["capped at p95 of non-zero units"] = np.nanquantile(np.where(both > 0, both, np.nan), 0.95, axis=1)
        for name, cap in caps.items():
            # The estimand of a capped mean is known without an effect only.
            frame = _frame([np.minimum(arm, cap[:, None]) for arm in values])
            capped = shipped(frame, None if with_effect else 0.0, with_headline=True)["headline"]
            result[f"difference, {name}"] = capped
        if trimmed:
            asked = whole.assign(estimator="trimmed")
            estimates = frame_of(trimmed_estimates(asked, _trimmed(values)))
            result |= by_estimator(estimates, asked, population.trimmed_mean * (factor - 1), factor - 1)
        if geometric:
            asked = whole.assign(estimator="geometric")
            logs = [np.log(arm) for arm in values]
            moments = arm_rows(
                n=n, n_not_positive=(0, 0), mean_log=[part.mean(axis=1) for part in logs],
                var_log=[part.var(axis=1, ddof=1) for part in logs],
            )  # fmt: skip
            result |= by_estimator(frame_of(geometric_estimates(asked, moments)), asked, factor - 1, factor - 1)
        asked = whole.assign(estimator="mann_whitney")
        estimates = frame_of(rank_estimates(asked, _rank_sums(values)))
        result |= by_estimator(estimates, asked, None if with_effect else 0.0)
        return result

    return simulate


def _frame(values: list[FloatArray], *, alternative: str = "two_sided") -> pd.DataFrame:
    """Lay out units of both arms, shapes (replications, units), as comparisons of their means."""
    moments = (moments_of(arm[..., None]) for arm in values)
    control, treatment = (triple_sums(arm[..., None], ("numerator",)) for arm in values)
    return comparison_frame(*moments, ("numerator",), alternative=alternative, triples=(control, treatment))


def _trimmed(values: list[FloatArray]) -> pd.DataFrame:
    """Lay out values of both arms as the model ``trimmed_moment``, 20 % cut on each side."""
    names = ("mean_kept", "var_kept", "lowest_kept", "highest_kept")
    columns: dict[str, list[FloatArray]] = {name: [] for name in names}
    for arm in values:
        n, cut = arm.shape[1], int(cut_ranks(arm.shape[1]).n_cut)
        kept = np.sort(arm, axis=1)[:, cut : n - cut]
        found = (kept.mean(axis=1), kept.var(axis=1, ddof=1), kept[:, 0], kept[:, -1])
        for column, value in zip(columns.values(), found, strict=True):
            column.append(value)
    size = [float(arm.shape[1]) for arm in values]
    return arm_rows(n=(size[0], size[1]), trim_proportion=(0.2, 0.2), **{k: (v[0], v[1]) for k, v in columns.items()})


def _rank_sums(values: list[FloatArray]) -> pd.DataFrame:
    """Lay out values of both arms as the model ``rank_sum``."""
    found = ranks(values[0], values[1])
    return pd.DataFrame(
        {
            "plan_key": np.arange(len(values[0])).astype(str),
            "variant_id": "treatment",
            "rank_sum_treatment": found.rank_sum_treatment,
            "tie_term": found.tie_term,
            "var_placement_control": found.placement_var_control,
            "var_placement_treatment": found.placement_var_treatment,
        }
    )


POOLED = "pooled_t, linear lift"
PLAIN = "welch_t, Fieller lift"
PLACEMENTS = (
    "the interval of the probability of superiority (Brunner and Munzel) from fewer than some 50 units in an arm; the "
    "Mann-Whitney p-value beside it holds"
)

MULTIPLIED = (
    "an effect that multiplies heavy-tailed values several times: the arms' skewness differs by as much and cannot be "
    "estimated from so few large values. The test holds; the interval of so large an effect covers too little"
)

REVENUE = zero_inflated(0.1, 1.0)
HEAVY = zero_inflated(0.05, 1.5)
SKEWED = (
    ("lognormal(0.5)", lognormal(0.5)),
    ("lognormal(1)", lognormal(1.0)),
    ("20 % non-zero, lognormal(1)", zero_inflated(0.2, 1.0)),
    ("10 % non-zero, lognormal(1)", REVENUE),
)


def _means(
    scenario: str,
    effect: str,
    simulate: Simulate,
    *,
    contrast: tuple[str, ...] = (),
    block: int = 1_000,
    beyond: str = "",
) -> Study:
    return Study(GROUP, scenario, effect, simulate, 10_000, block, contrast=contrast, beyond=beyond)


def _tails(scenario: str, effect: str, simulate: Simulate, block: int = 1_000, beyond: str = "") -> Study:
    notes = {"mann_whitney": PLACEMENTS}
    return Study(ROBUST_GROUP, scenario, effect, simulate, 10_000, block, notes, beyond=beyond)


def _lopsided(name: str, population: Population, n: tuple[int, int], lift: float) -> Study:
    large, small = n
    skewness = skewness_of_difference(population.skewness, large, small)
    simulate = two_means(population, population, n, lift=lift)
    scenario = f"{name}, {large:,} + {small:,}: skewness {skewness:.2f}"
    return Study(SPLIT_GROUP, scenario, f"+{100 * lift:.0f} %", simulate, 4_000, 400, contrast=(POOLED, PLAIN))


STUDIES = [
    _means("normal, 100 + 100", "+4 % (0.4 sd)", two_means(normal(10, 1), normal(10, 1), (100, 100), lift=0.04)),
    _means("normal, 10 + 10, sd 1 and 3", "+30 %",
           two_means(normal(10, 1), normal(10, 3), (10, 10), lift=0.3), contrast=(POOLED,)),
    _means("normal, 5 + 50, sd 3 and 1", "+40 %",
           two_means(normal(10, 3), normal(10, 1), (5, 50), lift=0.4), contrast=(POOLED,)),
    _means("normal, 100 + 100, one-sided", "+3.5 %",
           two_means(normal(10, 1), normal(10, 1), (100, 100), lift=0.035, alternative="greater")),
    _means("Poisson(0.3), 500 + 500", "+35 %", two_means(poisson(0.3), poisson(0.3), (500, 500), lift=0.35)),
    _means("10 % non-zero, lognormal(1), 2,000 + 2,000", "+35 %",
           two_means(REVENUE, REVENUE, (2000, 2000), lift=0.35)),
    _means("10 % non-zero, lognormal(1), 100 + 100", "+20 %",
           two_means(REVENUE, REVENUE, (100, 100), lift=0.2), contrast=(POOLED,)),
    _means("10 % non-zero, lognormal(1), 100 + 100, tripled", "+200 %",
           two_means(REVENUE, REVENUE, (100, 100), lift=2.0), contrast=(POOLED, PLAIN), beyond=MULTIPLIED),
    _means("5 % non-zero, lognormal(1.5), 5,000 + 5,000", "+60 %",
           two_means(HEAVY, HEAVY, (5000, 5000), lift=0.6), contrast=(POOLED,), block=500),
    _means("5 % non-zero, lognormal(1.5), 99/1 split: 9,900 + 100", "+500 %",
           two_means(HEAVY, HEAVY, (9900, 100), lift=5.0), contrast=(POOLED, PLAIN), block=500),
    _means("10 % non-zero, lognormal(1), 90/10 split: 9,000 + 1,000", "+60 %",
           two_means(REVENUE, REVENUE, (9000, 1000), lift=0.6), contrast=(POOLED, PLAIN), block=500),
    _means("lognormal(0.5), 99/1 split: 9,900 + 100", "+20 %",
           two_means(lognormal(0.5), lognormal(0.5), (9900, 100), lift=0.2), contrast=(POOLED, PLAIN), block=500),
    _means("control mean near zero: normal(0.1, 1), 100 + 100", "+400 %",
           two_means(normal(0.1, 1), normal(0.1, 1), (100, 100), lift=4.0), contrast=(POOLED,)),
    _means("control mean negative: normal(-10, 1), 100 + 100", "values +4 %",
           two_means(normal(-10, 1), normal(-10, 1), (100, 100), lift=0.04)),
    *(
        _lopsided(name, population, n, lift)
        for n, lifts in (((750, 250), (0.12, 0.3, 0.5, 0.8)), ((900, 100), (0.18, 0.45, 0.8, 1.2)),
                         ((9_000, 1_000), (0.06, 0.15, 0.25, 0.35)))
        for (name, population), lift in zip(SKEWED, lifts, strict=True)
    ),
    _tails("lognormal(2), 500 + 500", "+30 %",
           tails(lognormal(2.0), (500, 500), lift=0.3, trimmed=True, geometric=True)),
    _tails("lognormal(2), 15 + 15", "+20 %",
           tails(lognormal(2.0), (15, 15), lift=0.2, trimmed=True, geometric=True)),
    _tails("10 % non-zero, lognormal(1.5), 1,000 + 1,000", "+20 %",
           tails(zero_inflated(0.1, 1.5), (1000, 1000), lift=0.2, trimmed=False, geometric=False)),
    _tails("10 % non-zero, lognormal(1.5), 1,000 + 1,000, doubled", "+100 %",
           tails(zero_inflated(0.1, 1.5), (1000, 1000), lift=1.0, trimmed=False, geometric=False), beyond=MULTIPLIED),
    _tails("10 % non-zero, lognormal(1.5), 99/1 split: 4,950 + 50", "+1,000 %",
           tails(zero_inflated(0.1, 1.5), (4950, 50), lift=10.0, trimmed=False, geometric=False), 500),
    _tails("Poisson(1), 100 + 100", "+50 %",
           tails(poisson(1.0), (100, 100), lift=0.5, trimmed=False, geometric=False)),
]  # fmt: skip
