"""Thirty daily looks: what the package's monitoring says, and what peeking at the plain p-value does."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from python_stats.analysis.judgement.headline import Headlines
from python_stats.analysis.look_estimates import look_estimates
from python_stats.clusters.totals import cluster_moments
from python_stats.moments import merge_running, moments_of
from python_stats.simulation.reductions import triple_sums
from python_stats.simulation.shipped import Clusters, comparison_frame
from python_stats.simulation.study import Simulate, Study
from python_stats.simulation.trials import Trials, answers

FloatArray = NDArray[np.float64]
# Units of one arm, shape (replications, days, units per day, k): (rng, shape, true effect).
Daily = Callable[[np.random.Generator, tuple[int, int, int], float], FloatArray]

GROUP = "Daily peeking for 30 days"
DAYS = 30
NAIVE = "naive: the plain test every day"
METHODS = (("obrien_fleming", np.nan), ("pocock", np.nan), ("msprt", np.nan), ("asymptotic_cs", np.nan))
ALL_METHODS = (*METHODS, ("hwang_shih_decani", -4.0), ("power", 2.0))


def scored(
    frame: pd.DataFrame,
    truth: float,
    planned: float,
    mde: float,
    methods: tuple[tuple[str, float], ...] = METHODS,
) -> dict[str, Trials]:
    """Score the sequential methods, the plain test at its last look, and the plain test at every look."""
    result = {}
    for method, parameter in methods:
        plan = frame.assign(
            sequential_method=method, sequential_parameter=parameter, planned_pair_units=planned, mde=mde
        )
        got = look_estimates(plan)
        p, low, high = (_by_look(got, f"sequential_{name}") for name in ("p_value", "ci_low", "ci_high"))
        with np.errstate(invalid="ignore"):
            outside = (low > truth) | (high < truth)
        seen = np.isfinite(low) | np.isfinite(high)
        covered = np.where(seen.any(axis=1), ~outside.any(axis=1), np.nan)
        result[method] = answers(np.fmin.reduce(p, axis=1))._replace(covered=covered.astype(np.float64))
    p, low, high = (_by_look(got, name) for name in ("p_value", "effect_ci_low", "effect_ci_high"))
    result["one look, on day 30"] = answers(p[:, -1], (low[:, -1], high[:, -1]), truth)
    with np.errstate(invalid="ignore"):
        outside = (low > truth) | (high < truth)
    naive = answers(np.fmin.reduce(p, axis=1))
    result[NAIVE] = naive._replace(covered=(~outside.any(axis=1)).astype(np.float64))
    return result


def _by_look(looks: Headlines, column: str) -> FloatArray:
    return looks[column].reshape(-1, DAYS)


def of_units(
    daily: Daily,
    per_day: tuple[int, int],
    *,
    effect: float,
    metric_type: str = "mean",
    planned: float = 1.0,
    methods: tuple[tuple[str, float], ...] = METHODS,
) -> Simulate:
    """Let units arrive evenly and be analysed day by day; ``planned`` is the plan as a share of what comes."""

    def simulate(rng: np.random.Generator, replications: int, with_effect: bool) -> dict[str, Trials]:
        truth = effect if with_effect else 0.0
        drawn = [daily(rng, (replications, DAYS, size), own) for size, own in zip(per_day, (0.0, truth), strict=True)]
        arms = [merge_running(moments_of(values), axis=1) for values in drawn]
        names = {"ratio": ("numerator", "denominator")}.get(metric_type, ("numerator", "covariate"))
        names = names[: arms[0].mean.shape[-1]]
        control, treatment = (
            {name: sums.cumsum(axis=1) for name, sums in triple_sums(values, names).items()} for values in drawn
        )
        frame = comparison_frame(*arms, names, metric_type=metric_type, triples=(control, treatment))
        return scored(frame, truth, planned * DAYS * sum(per_day), effect, methods)

    return simulate


def of_clusters(clusters: int, *, effect: float) -> Simulate:
    """Let three units a day arrive in every cluster; half of the clusters are treated."""

    def simulate(rng: np.random.Generator, replications: int, with_effect: bool) -> dict[str, Trials]:
        truth, per_day, own = (effect if with_effect else 0.0), 3, clusters // 2
        arms, parts = [], []
        for shift in (0.0, truth):
            common = rng.normal(10 + shift, np.sqrt(0.1), (replications, 1, own, 1))
            values = common + rng.normal(0, np.sqrt(0.9), (replications, DAYS, own, per_day))
            units = moments_of(values.reshape(replications, DAYS, own * per_day, 1))
            arms.append(merge_running(units, axis=1))
            totals = values.sum(axis=3).cumsum(axis=1).ravel()
            size = np.broadcast_to(per_day * np.arange(1, DAYS + 1)[:, None], (replications, DAYS, own)).ravel()
            robust = cluster_moments(np.repeat(np.arange(replications * DAYS), own), size, totals)
            effective = robust.n[:, None, None] * robust.cr2
            level = (robust.level_cr2, robust.level_squared_cr2)
            # Normal clusters in equal arms: nothing is skewed.
            parts.append(Clusters(robust.clusters, robust.trace_squared_cr2, *level, effective, {}))
        frame = comparison_frame(*arms, ("numerator",), clusters=(parts[0], parts[1]))
        return scored(frame, truth, float(DAYS * clusters * per_day), effect)

    return simulate


def _normal(rng: np.random.Generator, shape: tuple[int, int, int], effect: float) -> FloatArray:
    return rng.normal(10 + effect, 1, (*shape, 1))


def _adjusted(rng: np.random.Generator, shape: tuple[int, int, int], effect: float) -> FloatArray:
    past = rng.normal(size=shape)
    return np.stack([10 + effect + 0.7 * past + np.sqrt(0.51) * rng.normal(size=shape), past], axis=-1)


def _rate(p: float) -> Daily:
    def draw(rng: np.random.Generator, shape: tuple[int, int, int], effect: float) -> FloatArray:
        return (rng.random(shape) < p + effect).astype(np.float64)[..., None]

    return draw


def _revenue(rng: np.random.Generator, shape: tuple[int, int, int], effect: float) -> FloatArray:
    """20 % non-zero, lognormal(1); the effect multiplies, to add ``effect`` to the mean."""
    mean = 0.2 * np.exp(0.5)
    values = np.where(rng.random(shape) < 0.2, rng.lognormal(0, 1, shape), 0.0)
    return (values * (1 + effect / mean))[..., None]


def _ratio(rng: np.random.Generator, shape: tuple[int, int, int], effect: float) -> FloatArray:
    count = rng.poisson(3 * rng.gamma(1.0, 1.0, shape))
    return np.stack([rng.poisson(count * (0.3 + effect)), count], axis=-1).astype(np.float64)


def _study(scenario: str, effect: str, simulate: Simulate) -> Study:
    return Study(GROUP, scenario, effect, simulate, 2_000, 250, contrast=(NAIVE,))


STUDIES = [
    _study("normal mean, 50 + 50 a day", "0.1 sd", of_units(_normal, (50, 50), effect=0.1, methods=ALL_METHODS)),
    _study("normal mean, 50 + 50 a day, half as many planned", "0.1 sd",
           of_units(_normal, (50, 50), effect=0.1, planned=0.5)),
    _study("normal mean, 5 + 5 a day", "0.35 sd", of_units(_normal, (5, 5), effect=0.35)),
    _study("CUPED, correlation 0.7, 50 + 50 a day", "0.08 sd", of_units(_adjusted, (50, 50), effect=0.08)),
    _study("rate of 0.1, 50 + 50 a day", "+0.04",
           of_units(_rate(0.1), (50, 50), effect=0.04, metric_type="proportion")),
    _study("rate of 0.01, 50 + 50 a day", "+0.015",
           of_units(_rate(0.01), (50, 50), effect=0.015, metric_type="proportion")),
    _study("revenue, 20 % non-zero, 50 + 50 a day", "+0.1", of_units(_revenue, (50, 50), effect=0.1)),
    _study("revenue, 20 % non-zero, 90/10 split: 90 + 10 a day", "+0.25",
           of_units(_revenue, (90, 10), effect=0.25)),
    _study("ratio, 20 + 20 a day", "+0.07", of_units(_ratio, (20, 20), effect=0.07, metric_type="ratio")),
    _study("20 clusters, 3 units each a day", "0.45 sd", of_clusters(20, effect=0.45)),
    _study("6 clusters, 3 units each a day", "1.2 sd", of_clusters(6, effect=1.2)),
]  # fmt: skip
