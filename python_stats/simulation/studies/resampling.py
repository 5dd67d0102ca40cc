"""Bootstrap intervals and permutation tests from totals of hash buckets."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from python_stats.analysis.estimators.bucket_estimates import bucket_estimates
from python_stats.analysis.table.estimate_rows import frame_of
from python_stats.means.resampling import bootstrap_difference
from python_stats.moments import moments_of
from python_stats.simulation.populations import Population, lognormal, zero_inflated
from python_stats.simulation.reductions import bucket_totals
from python_stats.simulation.shipped import by_estimator, comparison_frame
from python_stats.simulation.studies.ratios import sessions
from python_stats.simulation.study import Simulate, Study
from python_stats.simulation.trials import Trials, answers

FloatArray = NDArray[np.float64]

GROUP = "Hash buckets"
DRAWS = 999
# Equal tails, which the marts do not run.
NAIVE = "bootstrap_difference, percentile", "bootstrap_difference, studentized"


def of_means(
    population: Population, n: tuple[int, int], *, lift: float, buckets: tuple[int, int], naive: bool = False
) -> Simulate:
    """Means of a population; the effect multiplies the treatment's values."""

    def simulate(rng: np.random.Generator, replications: int, with_effect: bool) -> dict[str, Trials]:
        lift_truth = lift if with_effect else 0.0
        arms = [
            factor * population.draw(rng, (replications, size))[..., None]
            for size, factor in zip(n, (1.0, 1 + lift_truth), strict=True)
        ]
        return _tested(rng, arms, buckets, population.mean * lift_truth, lift_truth, naive)

    return simulate


def of_ratios(n: int, *, lift: float, buckets: int) -> Simulate:
    """Ratios of sums of 0.3, the treatment's raised by the lift."""

    def simulate(rng: np.random.Generator, replications: int, with_effect: bool) -> dict[str, Trials]:
        lift_truth = lift if with_effect else 0.0
        arms = [
            sessions(rng, (replications, n), per_unit=5, rate=rate)[..., :2] for rate in (0.3, 0.3 * (1 + lift_truth))
        ]
        return _tested(rng, arms, (buckets, buckets), 0.3 * lift_truth, lift_truth, False)

    return simulate


def _tested(
    rng: np.random.Generator,
    arms: list[FloatArray],
    buckets: tuple[int, int],
    truth: float,
    lift_truth: float,
    naive: bool,
) -> dict[str, Trials]:
    ratio = arms[0].shape[-1] == 2
    frame = comparison_frame(
        *(moments_of(arm) for arm in arms), ("numerator", "denominator")[: 1 + ratio],
        metric_type="ratio" if ratio else "mean",
    )  # fmt: skip
    totals, rows = [], []
    for variant, units, count in zip(("control", "treatment"), arms, buckets, strict=True):
        base = units[..., 1] if ratio else np.ones(units.shape[:2])
        totals.append(bucket_totals(rng, units[..., 0], base, count))
        # Buckets without units have no row.
        replication, bucket = np.nonzero(totals[-1][..., 2])
        _, first = np.unique(replication, return_index=True)
        nonzero = np.zeros(replication.size, dtype=np.int64)
        nonzero[first] = (units[..., 0] != 0).sum(axis=1)
        found = totals[-1][replication, bucket]
        rows.append(
            pd.DataFrame(
                {
                    "plan_key": replication.astype(str),
                    "variant_id": variant,
                    "bucket": bucket,
                    "buckets": count,
                    "n": found[:, 2],
                    "n_nonzero": nonzero,
                    "total_numerator": found[:, 0],
                    "total_denominator": found[:, 1],
                }
            )
        )
    table = pd.concat(rows, ignore_index=True)
    result = {}
    for estimator in ("bootstrap", "permutation"):
        asked = frame.assign(estimator=estimator)
        result |= by_estimator(frame_of(bucket_estimates(asked, table, draws=DRAWS)), asked, truth, lift_truth)
    for name, method in zip(NAIVE, ("percentile", "studentized"), strict=True) if naive else ():
        got = bootstrap_difference(*(arm[..., :2] for arm in totals), method=method, draws=DRAWS)
        result[name] = answers(
            got.p_value, (got.ci_low, got.ci_high), truth, (got.lift_ci_low, got.lift_ci_high), lift_truth
        )
    return result


REVENUE = zero_inflated(0.1, 1.0)


LIKE_ARMS = (
    "between two like arms with a heavy tail the one that holds the largest value has the larger mean and the larger "
    "variance: the fewer the units, the more does the interval widen with the effect"
)


def _study(scenario: str, effect: str, simulate: Simulate, *contrast: str) -> Study:
    return Study(GROUP, scenario, effect, simulate, 4_000, 250, {"bootstrap": LIKE_ARMS}, contrast)


STUDIES = [
    _study("10 % non-zero, lognormal(1), 5,000 + 5,000 in 200 + 200 buckets", "+25 %",
           of_means(REVENUE, (5000, 5000), lift=0.25, buckets=(200, 200))),
    _study("lognormal(2), 1,000 + 1,000 in 100 + 100 buckets", "+20 %",
           of_means(lognormal(2.0), (1000, 1000), lift=0.2, buckets=(100, 100), naive=True), *NAIVE),
    _study("lognormal(2), 120 + 120 in 1,000 + 1,000 buckets", "+20 %",
           of_means(lognormal(2.0), (120, 120), lift=0.2, buckets=(1000, 1000))),
    _study("lognormal(0.5), 200 + 200 in 20 + 20 buckets", "+15 %",
           of_means(lognormal(0.5), (200, 200), lift=0.15, buckets=(20, 20), naive=True), *NAIVE),
    _study("10 % non-zero, lognormal(1), 2:1 split: 2,400 + 1,200 in 100 + 50 buckets", "+50 %",
           of_means(REVENUE, (2400, 1200), lift=0.5, buckets=(100, 50))),
    _study("lognormal(1), 90/10 split: 9,000 + 1,000 in 450 + 50 buckets", "+15 %",
           of_means(lognormal(1.0), (9000, 1000), lift=0.15, buckets=(450, 50))),
    _study("10 % non-zero, lognormal(1), 90/10 split: 4,500 + 500 in 180 + 20 buckets", "+70 %",
           of_means(REVENUE, (4500, 500), lift=0.7, buckets=(180, 20), naive=True), *NAIVE),
    # As many buckets in an arm of 500 as in one of 4,500 are not exchangeable; the marts' are in proportion to traffic.
    _study("10 % non-zero, lognormal(1), 90/10 split: 4,500 + 500 in 100 + 100 buckets", "+70 %",
           of_means(REVENUE, (4500, 500), lift=0.7, buckets=(100, 100)), "permutation"),
    _study("ratio, 1,000 + 1,000 in 200 + 200 buckets", "+15 %", of_ratios(1000, lift=0.15, buckets=200)),
]  # fmt: skip
