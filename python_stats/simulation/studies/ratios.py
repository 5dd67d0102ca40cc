"""Ratios of sums (purchases per session), with and without the pre-period, down to denominators near zero."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from python_stats.lift import fieller_lift, linear_delta_lift
from python_stats.moments import moments_of
from python_stats.ratios import ratio_difference
from python_stats.simulation.shipped import comparison_frame, shipped
from python_stats.simulation.study import Simulate, Study
from python_stats.simulation.trials import Trials, compared

FloatArray = NDArray[np.float64]

GROUP = "Ratios"
VARIABLES = ("numerator", "denominator", "covariate", "covariate_denominator")


def sessions(rng: np.random.Generator, shape: tuple[int, ...], *, per_unit: float, rate: float) -> FloatArray:
    """Draw purchases and sessions of units, now and before; units differ in activity and in taste.

    Sums of purchases over sums of sessions have the expectation ``rate``.
    """
    activity, taste = rng.gamma(1.0, 1.0, shape), rng.gamma(2.0, 0.5, shape)
    columns = []
    for own_rate in (rate, 0.3):
        count = rng.poisson(per_unit * activity)
        columns += [rng.poisson(count * own_rate * taste), count]
    return np.stack(columns, axis=-1).astype(np.float64)


def two_ratios(n: tuple[int, int], *, per_unit: float, lift: float) -> Simulate:
    """Ratios of 0.3, the treatment's raised by the lift."""

    def simulate(rng: np.random.Generator, replications: int, with_effect: bool) -> dict[str, Trials]:
        lift_truth = lift if with_effect else 0.0
        rates = (0.3, 0.3 * (1 + lift_truth))
        arms = [
            moments_of(sessions(rng, (replications, size), per_unit=per_unit, rate=rate))
            for size, rate in zip(n, rates, strict=True)
        ]
        result = shipped(comparison_frame(*arms, VARIABLES, metric_type="ratio"), rates[1] - rates[0], lift_truth)
        parts = [(m.mean[:, 0], m.mean[:, 1], m.cov[:, 0, 0], m.cov[:, 1, 1], m.cov[:, 0, 1], m.n) for m in arms]
        raw = ratio_difference(*parts[0], *parts[1])
        with np.errstate(all="ignore"):
            base = parts[0][0] / np.where(parts[0][1] == 0, np.nan, parts[0][1])
        se_base = ratio_difference(*parts[0], *parts[0]).se / np.sqrt(2)
        for name, method in (("linear lift", linear_delta_lift), ("Fieller lift", fieller_lift)):
            lifted = method(raw.effect, raw.se, base, se_base)
            result[f"ratio_difference, {name}"] = compared(raw, rates[1] - rates[0], lifted, lift_truth)
        return result

    return simulate


SMALL = (
    "the delta method takes the arms' denominators as far from zero and its variance as known. With the standard error "
    "of an arm's mean denominator above a fifth of that mean (fewer than some 25 sessions or very uneven ones), "
    "or fewer than some 100 units, its normal reference is too narrow; t with Welch's degrees of freedom is closer"
)
FEW_SESSIONS = (
    "with a few sessions in an arm the ratio is a few events over a few: an arm without purchases has a ratio of 0 and "
    "a variance of 0. Nothing can be said; a metric per unit can be tested in its place"
)


def _study(scenario: str, effect: str, simulate: Simulate, note: str, *, large: bool = False) -> Study:
    replications, block = (5_000, 250) if large else (10_000, 1_000)
    return Study(GROUP, scenario, effect, simulate, replications, block, {"*": note})


STUDIES = [
    _study("5 sessions per unit, 1,000 + 1,000", "+15 %", two_ratios((1000, 1000), per_unit=5, lift=0.15), SMALL),
    _study("5 sessions per unit, 50 + 50", "+60 %", two_ratios((50, 50), per_unit=5, lift=0.6), SMALL),
    _study("5 sessions per unit, 99/1 split: 9,900 + 100", "+40 %",
           two_ratios((9900, 100), per_unit=5, lift=0.4), SMALL, large=True),
    _study("denominator near zero: 0.05 sessions per unit, 4,000 + 4,000", "+50 %",
           two_ratios((4000, 4000), per_unit=0.05, lift=0.5), SMALL, large=True),
    _study("denominator near zero: 0.05 sessions per unit, 400 + 400", "+150 %",
           two_ratios((400, 400), per_unit=0.05, lift=1.5), SMALL),
    _study("denominator near zero: 0.02 sessions per unit, 100 + 100", "+300 %",
           two_ratios((100, 100), per_unit=0.02, lift=3.0), FEW_SESSIONS),
]  # fmt: skip
