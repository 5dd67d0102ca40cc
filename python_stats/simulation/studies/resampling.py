"""Bootstrap intervals and permutation tests from totals of hash buckets."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from python_stats.analysis.bucket_estimates import bucket_estimates
from python_stats.moments import moments_of
from python_stats.resampling import bootstrap_difference
from python_stats.simulation.populations import Population, lognormal, zero_inflated
from python_stats.simulation.reductions import bucket_totals
from python_stats.simulation.shipped import by_estimator, comparison_frame
from python_stats.simulation.studies.ratios import sessions
from python_stats.simulation.study import Simulate, Study
from python_stats.simulation.trials import Trials, answers

FloatArray = NDArray[np.float64]

GROUP = "Hash buckets"
DRAWS = 999


def of_means(population: Population, n: tuple[int, int], *, lift: float, buckets: tuple[int, int]) -> Simulate:
    """Means of a population; the effect multiplies the treatment's values."""

    def simulate(rng: np.random.Generator, replications: int, with_effect: bool) -> dict[str, Trials]:
        lift_truth = lift if with_effect else 0.0
        arms = [
            factor * population.draw(rng, (replications, size))[..., None]
            for size, factor in zip(n, (1.0, 1 + lift_truth), strict=True)
        ]
        return _tested(rng, arms, buckets, population.mean * lift_truth, lift_truth)

    return simulate


def of_ratios(n: int, *, lift: float, buckets: int) -> Simulate:
    """Ratios of sums of 0.3, the treatment's raised by the lift."""

    def simulate(rng: np.random.Generator, replications: int, with_effect: bool) -> dict[str, Trials]:
        lift_truth = lift if with_effect else 0.0
        arms = [
            sessions(rng, (replications, n), per_unit=5, rate=rate)[..., :2] for rate in (0.3, 0.3 * (1 + lift_truth))
        ]
        return _tested(rng, arms, (buckets, buckets), 0.3 * lift_truth, lift_truth)

    return simulate


def _tested(
    rng: np.random.Generator, arms: list[FloatArray], buckets: tuple[int, int], truth: float, lift_truth: float
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
        found = totals[-1][replication, bucket]
        rows.append(
            pd.DataFrame(
                {
                    "plan_key": replication.astype(str),
                    "variant_id": variant,
                    "bucket": bucket,
                    "buckets": count,
                    "n": found[:, 2],
                    "n_nonzero": np.where(bucket == bucket[0], (units[..., 0] != 0).sum(axis=1)[replication], 0),
                    "total_numerator": found[:, 0],
                    "total_denominator": found[:, 1],
                }
            )
        )
    table = pd.concat(rows, ignore_index=True)
    result = {}
    for estimator in ("bootstrap", "permutation"):
        asked = frame.assign(estimator=estimator)
        result |= by_estimator(bucket_estimates(asked, table, draws=DRAWS), asked, truth, lift_truth)
    got = bootstrap_difference(*(arm[..., :2] for arm in totals), method="studentized", draws=DRAWS)
    result["bootstrap_difference, studentized"] = answers(
        got.p_value, (got.ci_low, got.ci_high), truth, (got.lift_ci_low, got.lift_ci_high), lift_truth
    )
    return result


REVENUE = zero_inflated(0.1, 1.0)


HEAVY = (
    "resampling cannot draw the large values that the sample does not hold: with tails this heavy neither kind of "
    "bootstrap interval covers, and the studentised one is no better. Cap the metric first"
)
FEW_BUCKETS = (
    "percentile limits are those of a normal interval without a correction for the number of buckets, 20 in an arm "
    "here; a few hundred are needed"
)
UNEVEN = (
    "buckets are exchangeable under the null hypothesis where they hold as many units in either arm. With as many "
    "buckets in an arm of 500 as in one of 4,500 they do not: buckets in proportion to the traffic do"
)


def _study(scenario: str, effect: str, simulate: Simulate, note: str = HEAVY, **notes: str) -> Study:
    return Study(GROUP, scenario, effect, simulate, 2_000, 250, {"*": note, **notes})


STUDIES = [
    _study("10 % non-zero, lognormal(1), 5,000 + 5,000 in 200 + 200 buckets", "+25 %",
           of_means(REVENUE, (5000, 5000), lift=0.25, buckets=(200, 200))),
    _study("lognormal(2), 1,000 + 1,000 in 100 + 100 buckets", "+60 %",
           of_means(lognormal(2.0), (1000, 1000), lift=0.6, buckets=(100, 100))),
    _study("lognormal(0.5), 200 + 200 in 20 + 20 buckets", "+15 %",
           of_means(lognormal(0.5), (200, 200), lift=0.15, buckets=(20, 20)), FEW_BUCKETS),
    _study("10 % non-zero, lognormal(1), 90/10 split: 4,500 + 500 in 180 + 20 buckets", "+70 %",
           of_means(REVENUE, (4500, 500), lift=0.7, buckets=(180, 20)), FEW_BUCKETS),
    _study("10 % non-zero, lognormal(1), 90/10 split: 4,500 + 500 in 100 + 100 buckets", "+70 %",
           of_means(REVENUE, (4500, 500), lift=0.7, buckets=(100, 100)), permutation=UNEVEN),
    _study("ratio, 1,000 + 1,000 in 200 + 200 buckets", "+15 %", of_ratios(1000, lift=0.15, buckets=200)),
]  # fmt: skip
