"""Quantiles of unit values and of events whose units are the clusters, from windows of order statistics."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri

from python_stats.analysis.estimators.quantile_estimates import quantile_estimates
from python_stats.analysis.table.estimate_rows import frame_of
from python_stats.clusters.totals import cluster_moments
from python_stats.moments import Moments
from python_stats.quantiles.index_comparison import quantile_difference, quantile_interval
from python_stats.quantiles.order_statistics import order_statistic_window
from python_stats.simulation.reductions import order_window
from python_stats.simulation.shipped import arm_rows, by_estimator, comparison_frame
from python_stats.simulation.study import Simulate, Study
from python_stats.simulation.trials import Trials, answers

FloatArray = NDArray[np.float64]

GROUP = "Quantiles"
EVENTS = "Quantiles of events in units"
IGNORED = "quantile_difference of events (units ignored)"
VARIANTS = ("control", "treatment")
NO_SHARES = pd.DataFrame(columns=["plan_key", "variant_id", "variance_below", "satterthwaite_trace"], dtype=object)


def of_units(n: tuple[int, int], q: float, *, lift: float, sigma: float = 1.0, discrete: bool = False) -> Simulate:
    """Compare a quantile of lognormal values (or of their whole numbers); the effect multiplies the values."""
    quantile = float(np.exp(sigma * ndtri(q)))

    def simulate(rng: np.random.Generator, replications: int, with_effect: bool) -> dict[str, Trials]:
        lift_truth = lift if with_effect else 0.0
        arms = [rng.lognormal(0.0, sigma, (replications, size)) for size in n]
        arms[1] *= 1 + lift_truth
        if discrete:
            arms = [np.floor(3 * arm) for arm in arms]
        windows = [order_window(arm, q) for arm in arms]
        order_statistics = pd.concat(
            [
                _order_statistics(variant, q, np.full(replications, float(size)), np.full(replications, first), values)
                for variant, (size, first, values) in zip(VARIANTS, windows, strict=True)
            ]
        )
        frame = _frame(replications, n)
        truth = (None, None) if discrete and with_effect else (quantile * lift_truth, lift_truth)
        result = by_estimator(frame_of(quantile_estimates(frame, order_statistics, NO_SHARES)), frame, *truth)
        if not discrete:
            one = quantile_interval(windows[0][0], q, *windows[0][1:])
            none = np.full(replications, np.nan)
            result["quantile_interval (one arm)"] = answers(none, (one.ci_low, one.ci_high), quantile)
        return result

    return simulate


def of_events(n: tuple[int, int], q: float, *, per_unit: float, lift: float) -> Simulate:
    """Compare a quantile of event times; a unit's events share half of the variance of their logarithms."""
    quantile = float(np.exp(ndtri(q)))

    def simulate(rng: np.random.Generator, replications: int, with_effect: bool) -> dict[str, Trials]:
        lift_truth = lift if with_effect else 0.0
        arms = [
            _events(rng, replications, size, q, per_unit, factor)
            for size, factor in zip(n, (1.0, 1 + lift_truth), strict=True)
        ]
        order_statistics = pd.concat(
            [
                _order_statistics(variant, q, arm.count, arm.first_rank, arm.values)
                for variant, arm in zip(VARIANTS, arms, strict=True)
            ]
        )
        shares = arm_rows(
            variance_below=(arms[0].variance_below, arms[1].variance_below),
            satterthwaite_trace=(arms[0].trace, arms[1].trace),
        )
        frame, truth = _frame(replications, n), quantile * lift_truth
        result = by_estimator(frame_of(quantile_estimates(frame, order_statistics, shares)), frame, truth, lift_truth)
        naive = quantile_difference(*(part for arm in arms for part in (arm.count, arm.first_rank, arm.values)), q)
        result[IGNORED] = answers(naive.p_value, (naive.ci_low, naive.ci_high), truth)
        return result

    return simulate


def _frame(replications: int, n: tuple[int, int]) -> pd.DataFrame:
    """Return comparisons of quantiles, whose moments nobody asks for."""
    nothing = (np.zeros((replications, 1)), np.zeros((replications, 1, 1)))
    arms = (Moments(np.full(replications, float(size)), *nothing) for size in n)
    return comparison_frame(*arms, ("numerator",), metric_type="quantile")


def _order_statistics(
    variant: str, q: float, n: FloatArray, first_rank: NDArray[np.int64], values: FloatArray
) -> pd.DataFrame:
    """Lay out windows as the model ``order_statistic``, one row per run of equal values."""
    known = ~np.isnan(values)
    starts = known.copy()
    starts[:, 1:] &= values[:, 1:] != values[:, :-1]
    replication, place = np.nonzero(starts)
    ends = np.append(np.flatnonzero(starts[known])[1:], known.sum())
    return pd.DataFrame(
        {
            "plan_key": replication.astype(str),
            "variant_id": variant,
            "quantile": q,
            "n": n[replication],
            "rank": first_rank[replication] + place,
            "n_equal": ends - np.flatnonzero(starts[known]),
            "value": values[replication, place],
        }
    )


class _Events(NamedTuple):
    """Events of one arm per replication: count, window, and how the share below the quantile varies."""

    count: FloatArray
    first_rank: NDArray[np.int64]
    values: FloatArray
    variance_below: FloatArray
    trace: FloatArray


def _events(
    rng: np.random.Generator, replications: int, units: int, q: float, per_unit: float, factor: float
) -> _Events:
    # Heavy users have more events, independent of how long these take.
    count = 1 + rng.poisson((per_unit - 1) * rng.gamma(1.0, 1.0, (replications, units)))
    owner = np.repeat(np.arange(count.size), count.ravel())
    spread = np.sqrt(0.5)
    values = factor * np.exp(rng.normal(0, spread, count.size)[owner] + rng.normal(0, spread, owner.size))
    total = count.sum(axis=1)
    replication = owner // units
    ordered = values[np.lexsort((values, replication))]
    start = np.cumsum(total) - total
    at = (total - 1) * q
    below = np.floor(at).astype(np.int64)
    step = ordered[start + np.minimum(below + 1, total - 1)] - ordered[start + below]
    estimate = ordered[start + below] + (at - below) * step
    hits = np.bincount(owner, values <= estimate[replication], minlength=count.size)
    shares = cluster_moments(np.repeat(np.arange(replications), units), count.ravel(), hits)
    variance = shares.cr2[:, 0, 0]
    window = order_statistic_window(total, q, design_effect=np.maximum(variance * total / (q * (1 - q)), 1.0))
    width = window.last_rank - window.first_rank + 1
    place = np.arange(width.max())
    rows = np.minimum(start[:, None] + window.first_rank[:, None] - 1 + place, ordered.size - 1)
    windows = np.where(place < width[:, None], ordered[rows], np.nan)
    return _Events(total.astype(np.float64), window.first_rank, windows, variance, shares.trace_squared_cr2)


def _units(scenario: str, effect: str, simulate: Simulate, block: int = 500) -> Study:
    return Study(GROUP, scenario, effect, simulate, replications=4_000, block=block)


STUDIES = [
    _units("p50, lognormal(1), 500 + 500", "+25 %", of_units((500, 500), 0.5, lift=0.25)),
    _units("p50, lognormal(1), 50 + 50", "+90 %", of_units((50, 50), 0.5, lift=0.9)),
    _units("p90, lognormal(1), 1,000 + 1,000", "+25 %", of_units((1000, 1000), 0.9, lift=0.25)),
    _units("p99, lognormal(1), 5,000 + 5,000", "+25 %", of_units((5000, 5000), 0.99, lift=0.25), 100),
    _units("p99, lognormal(1), 1,000 + 1,000", "+60 %", of_units((1000, 1000), 0.99, lift=0.6)),
    _units("p99, lognormal(1), 200 + 200", "+60 %", of_units((200, 200), 0.99, lift=0.6)),
    _units("p90, lognormal(1), 99/1 split: 9,900 + 100", "+70 %", of_units((9900, 100), 0.9, lift=0.7), 100),
    _units("p50 of whole numbers, 500 + 500", "+40 %", of_units((500, 500), 0.5, lift=0.4, discrete=True)),
    _units("p90 of whole numbers, 1,000 + 1,000", "+25 %", of_units((1000, 1000), 0.9, lift=0.25, discrete=True)),
    *(
        Study(EVENTS, f"p{round(100 * q)}, {n} + {n} units with 5 events each on average", f"+{round(100 * lift)} %",
              of_events((n, n), q, per_unit=5, lift=lift), replications=4_000, block=block, contrast=(IGNORED,))
        for q, n, lift, block in (
            (0.5, 200, 0.3, 500), (0.9, 200, 0.4, 500), (0.99, 1000, 0.35, 100), (0.5, 30, 0.9, 500),
        )
    ),
]  # fmt: skip
