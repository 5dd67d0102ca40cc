"""Sample ratio mismatch: one look, small counts, daily looks; and balance before the experiment."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from python_stats.allocation import exact_multinomial, sequential_srm, srm_chi_square, srm_over_phases
from python_stats.analysis.judgement.assignment_checks import check_allocation
from python_stats.simulation.study import Simulate, Study
from python_stats.simulation.trials import Trials, answers

GROUP = "Sample ratio mismatch"
NAIVE = "naive: srm_chi_square every day"
POOLED = "srm_chi_square at the pooled shares"


def one_look(n: int, shares: tuple[float, ...], *, moved: float, exact: bool = False) -> Simulate:
    """Test the counts of n units; with an effect, a share moves from the last arm to the first."""

    def simulate(rng: np.random.Generator, replications: int, with_effect: bool) -> dict[str, Trials]:
        actual = np.array(shares)
        actual[[0, -1]] += np.array([moved, -moved]) * with_effect
        counts = rng.multinomial(n, actual, replications)
        result = _checked(counts[:, None, :], shares)
        result["srm_chi_square"] = answers(srm_chi_square(counts, shares).p_value)
        if exact:
            result["exact_multinomial"] = answers(exact_multinomial(counts, shares).p_value)
        return result

    return simulate


def _checked(counts: NDArray[np.int64], shares: tuple[float, ...]) -> dict[str, Trials]:
    """Run the package's own checks on counts of shape (replications, days, arms)."""
    replications, days, arms = counts.shape
    frame = pd.DataFrame(
        {
            "exp_id": np.repeat(np.arange(replications), days * arms).astype(str),
            "population": "assigned",
            "variant_id": np.tile(np.arange(arms), replications * days),
            "assigned_on": np.datetime64("2026-01-01") + np.tile(np.repeat(np.arange(days), arms), replications),
            "phase": 0,
            "n": counts.ravel(),
            "traffic_share": np.tile(shares, replications * days),
        }
    )
    checks = check_allocation(frame)
    return {name: answers(checks.loc[checks["check_name"] == name, "p_value"]) for name in ("srm", "srm_sequential")}


def ramp(n: tuple[int, ...], shares: tuple[tuple[float, float], ...], *, moved: float) -> Simulate:
    """Test phases with shares of their own; with an effect, the same share is missing in every phase."""

    def simulate(rng: np.random.Generator, replications: int, with_effect: bool) -> dict[str, Trials]:
        counts = np.stack(
            [
                rng.multinomial(size, np.array(share) + np.array([moved, -moved]) * with_effect, replications)
                for size, share in zip(n, shares, strict=True)
            ],
            axis=1,
        )
        pooled = np.average(shares, axis=0, weights=n)
        return {
            "srm_over_phases": answers(srm_over_phases(counts, np.array(shares)).p_value),
            POOLED: answers(srm_chi_square(counts.sum(axis=1), pooled).p_value),
        }

    return simulate


def every_day(per_day: int, shares: tuple[float, ...], *, moved: float, days: int = 30) -> Simulate:
    """Test daily counts on every day; with an effect, a share moves from the last arm to the first."""

    def simulate(rng: np.random.Generator, replications: int, with_effect: bool) -> dict[str, Trials]:
        actual = np.array(shares)
        actual[[0, -1]] += np.array([moved, -moved]) * with_effect
        counts = rng.multinomial(per_day, actual, (replications, days))
        result = {"srm_sequential": _checked(counts, shares)["srm_sequential"]}
        result |= {
            f"sequential_srm, prior of {size:,.0f} units": answers(
                sequential_srm(counts, shares, concentration=size).p_value[:, -1]
            )
            for size in (10_000.0,)
        }
        naive = srm_chi_square(counts.cumsum(axis=1), shares).p_value.min(axis=1)
        result[NAIVE] = answers(naive)
        return result

    return simulate


def _study(
    scenario: str, effect: str, simulate: Simulate, replications: int = 20_000, contrast: tuple[str, ...] = ()
) -> Study:
    contrast = (NAIVE, POOLED, *contrast)
    return Study(GROUP, scenario, effect, simulate, replications=replications, block=2_000, contrast=contrast)


STUDIES = [
    _study("10,000 units, 50/50", "1.5 points moved", one_look(10_000, (0.5, 0.5), moved=0.015)),
    _study("10,000 units, 99/1", "0.3 points moved", one_look(10_000, (0.99, 0.01), moved=0.003, exact=True)),
    _study("3,000 units, 50/30/20", "2.5 points moved", one_look(3_000, (0.5, 0.3, 0.2), moved=0.025)),
    _study("20 units, 50/50", "30 points moved", one_look(20, (0.5, 0.5), moved=0.3, exact=True)),
    # The check is exact where so few units are expected in an arm.
    _study("30 units, 80/10/10", "9 points moved", one_look(30, (0.8, 0.1, 0.1), moved=0.09, exact=True), 4_000,
           contrast=("srm_chi_square",)),
    _study("ramp: 2,000 units at 90/10, 8,000 at 50/50", "1.5 points in each phase",
           ramp((2_000, 8_000), ((0.9, 0.1), (0.5, 0.5)), moved=0.015)),
    _study("200 units a day for 30 days, 50/50", "2.5 points moved", every_day(200, (0.5, 0.5), moved=0.025), 10_000),
    _study("1,000 units a day for 30 days, 90/10", "1 point moved", every_day(1_000, (0.9, 0.1), moved=0.01), 10_000),
]  # fmt: skip
