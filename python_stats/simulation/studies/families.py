"""Families of tests: false rejections over all tests of a family, not of one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from python_stats.families.dunnett import dunnett, many_to_one
from python_stats.families.multiplicity import adjust
from python_stats.families.storey import storey_q
from python_stats.simulation.study import Simulate, Study
from python_stats.simulation.trials import ALPHA, Trials, holds
from python_stats.wald import p_value

FloatArray = NDArray[np.float64]

GROUP = "Families of tests"
SMOOTHER = "storey_q, smoother"
EQUAL = "dunnett"
# The marts hand `many_to_one` the degrees of freedom of each estimate.
NORMAL = "many_to_one, standard errors as if known"
ARMS = "Several treatments against one control"
FAMILY_WISE = ("bonferroni", "holm", "hochberg", "hommel", "sidak", "holm_sidak")
FALSE_DISCOVERY = ("benjamini_hochberg", "benjamini_yekutieli")


def metrics(tests: int, effects: int, *, correlation: float, shift: float) -> Simulate:
    """Test normal statistics, equally correlated, some of them with an effect in both runs.

    Error is the probability of any false rejection (methods for the family-wise error) or the mean share of false ones
    among the rejections (for the false discovery rate); power is the share of the effects found.
    """
    is_null = np.arange(tests) >= effects

    def simulate(rng: np.random.Generator, replications: int, with_effect: bool) -> dict[str, Trials]:
        common = rng.normal(size=(replications, 1))
        z = np.sqrt(correlation) * common + np.sqrt(1 - correlation) * rng.normal(size=(replications, tests))
        p = p_value(z + shift * ~is_null)
        family = np.arange(replications)[:, None]
        result = {}
        for method in ("none", *FAMILY_WISE, *FALSE_DISCOVERY):
            rejected = (adjust(p, family, method) <= ALPHA).astype(np.float64)
            result[method] = _errors(rejected, is_null, method in FALSE_DISCOVERY, with_effect)
        if tests >= 100:
            # The first is the marts'.
            for name, q in (
                ("storey_q, cautious", storey_q(p, family, pi0_method="cautious", lambdas=ALPHA)),
                (SMOOTHER, storey_q(p, family)),
            ):
                rejected = (q.q_value <= ALPHA).astype(np.float64)
                result[name] = _errors(rejected, is_null, True, with_effect)
        return result

    return simulate


def _errors(rejected: FloatArray, is_null: NDArray[np.bool_], share: bool, with_effect: bool) -> Trials:
    """Score families: their errors in the run for errors, the share of their effects found in the run for power."""
    missing = np.full(len(rejected), np.nan)
    if with_effect:
        found = missing if is_null.all() else rejected[:, ~is_null].mean(axis=1)
        return Trials(found, missing, missing)
    false = rejected[:, is_null].sum(axis=1)
    error = false / np.maximum(rejected.sum(axis=1), 1) if share else (false > 0).astype(np.float64)
    return Trials(error, missing, missing)


def treatments(n_control: int, n_treatment: tuple[int, ...], *, sd: tuple[float, ...], shift: float) -> Simulate:
    """Compare normal arms with one control; the effect is on the first treatment only.

    Error and coverage are of all comparisons of an experiment at once, power is of the first.
    """

    def simulate(rng: np.random.Generator, replications: int, with_effect: bool) -> dict[str, Trials]:
        truth = np.zeros(len(n_treatment))
        truth[0] = shift if with_effect else 0.0
        sizes = np.array((n_control, *n_treatment), dtype=np.float64)
        means = rng.normal(np.concatenate([[0.0], truth]), np.array(sd) / np.sqrt(sizes), (replications, sizes.size))
        variances = np.array(sd) ** 2 * rng.chisquare(sizes - 1, (replications, sizes.size)) / (sizes - 1)
        control = (means[:, 0], variances[:, 0], np.full(replications, sizes[0]))
        arms = (means[:, 1:], variances[:, 1:], np.broadcast_to(sizes[1:], (replications, sizes.size - 1)))
        se = np.sqrt(control[1][:, None] / control[2][:, None] + arms[1] / arms[2])
        known = many_to_one(arms[0] - control[0][:, None], se, control[1] / control[2])
        result = {}
        for name, got in (
            ("dunnett", dunnett(*control, *arms).comparison),
            ("dunnett, unequal variances", dunnett(*control, *arms, equal_variances=False).comparison),
            (NORMAL, known.comparison),
        ):
            rejected = got.p_value <= ALPHA
            covered = holds(got.ci_low, got.ci_high, truth).min(axis=1)
            error = rejected[:, 0] if with_effect else rejected.any(axis=1)
            result[name] = Trials(error.astype(np.float64), covered, np.full(replications, np.nan))
        return result

    return simulate


def _metrics(scenario: str, simulate: Simulate, replications: int = 10_000, *contrast: str) -> Study:
    return Study(GROUP, scenario, "3 se", simulate, replications, 1_000, contrast=("none", *contrast))


def _arms(scenario: str, effect: str, simulate: Simulate, *contrast: str) -> Study:
    return Study(ARMS, scenario, effect, simulate, 2_000, 500, contrast=contrast)


STUDIES = [
    _metrics("10 independent metrics without effects", metrics(10, 0, correlation=0.0, shift=0.0)),
    _metrics("10 independent metrics, 3 with effects", metrics(10, 3, correlation=0.0, shift=3.0)),
    _metrics("10 metrics correlated by 0.7, 3 with effects", metrics(10, 3, correlation=0.7, shift=3.0)),
    _metrics("500 independent metrics, 100 with effects", metrics(500, 100, correlation=0.0, shift=3.0), 4_000),
    _metrics("500 metrics correlated by 0.3, 100 with effects", metrics(500, 100, correlation=0.3, shift=3.0), 4_000,
             SMOOTHER),
    _metrics("100 metrics correlated by 0.5, 20 with effects", metrics(100, 20, correlation=0.5, shift=3.0), 4_000,
             SMOOTHER),
    _arms("3 treatments, 100 units each", "0.45 sd", treatments(100, (100,) * 3, sd=(1.0,) * 4, shift=0.45)),
    _arms("3 treatments, 10 units each", "1.5 sd", treatments(10, (10,) * 3, sd=(1.0,) * 4, shift=1.5), NORMAL),
    _arms("5 treatments of 40 units, 400 in control", "0.5 sd",
          treatments(400, (40,) * 5, sd=(1.0,) * 6, shift=0.5), NORMAL),
    _arms("3 treatments of 100, 50 and 20 units with sd 1, 1 and 3, 100 in control of sd 1", "0.45 sd",
          treatments(100, (100, 50, 20), sd=(1.0, 1.0, 1.0, 3.0), shift=0.45), EQUAL, NORMAL),
]  # fmt: skip
