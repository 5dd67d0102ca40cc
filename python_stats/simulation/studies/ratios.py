"""Ratios of sums (purchases per session), with and without the pre-period, down to denominators near zero."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from python_stats.analysis.table.arms import VARIABLES
from python_stats.lift import fieller_lift, linear_delta_lift
from python_stats.means.ratios import ratio_difference
from python_stats.moments import moments_of
from python_stats.simulation.reductions import triple_sums
from python_stats.simulation.shipped import comparison_frame, shipped
from python_stats.simulation.study import Simulate, Study
from python_stats.simulation.trials import Trials, compared

FloatArray = NDArray[np.float64]

GROUP = "Ratios"


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
        units = [
            sessions(rng, (replications, size), per_unit=per_unit, rate=rate)
            for size, rate in zip(n, rates, strict=True)
        ]
        arms = [moments_of(values) for values in units]
        triples = (triple_sums(units[0], VARIABLES), triple_sums(units[1], VARIABLES))
        frame = comparison_frame(*arms, VARIABLES, metric_type="ratio", triples=triples)
        result = shipped(frame, rates[1] - rates[0], lift_truth, with_headline=True)
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


# The library's own default is the normal reference; the marts take Welch's degrees of freedom and the corrections.
NORMAL = ("ratio_difference, linear lift", "ratio_difference, Fieller lift")


def _study(
    scenario: str, effect: str, simulate: Simulate, *, contrast: tuple[str, ...] = NORMAL, large: bool = False
) -> Study:
    replications, block = (5_000, 250) if large else (10_000, 1_000)
    return Study(GROUP, scenario, effect, simulate, replications, block, contrast=contrast)


STUDIES = [
    _study("5 sessions per unit, 1,000 + 1,000", "+15 %", two_ratios((1000, 1000), per_unit=5, lift=0.15), contrast=()),
    _study("5 sessions per unit, 50 + 50", "+60 %", two_ratios((50, 50), per_unit=5, lift=0.6)),
    _study("5 sessions per unit, 99/1 split: 9,900 + 100", "+40 %",
           two_ratios((9900, 100), per_unit=5, lift=0.4), large=True),
    _study("denominator near zero: 0.05 sessions per unit, 4,000 + 4,000", "+50 %",
           two_ratios((4000, 4000), per_unit=0.05, lift=0.5), contrast=(), large=True),
    _study("denominator near zero: 0.05 sessions per unit, 400 + 400", "+150 %",
           two_ratios((400, 400), per_unit=0.05, lift=1.5)),
    _study("denominator near zero: 0.02 sessions per unit, 100 + 100", "+300 %",
           two_ratios((100, 100), per_unit=0.02, lift=3.0)),
]  # fmt: skip
