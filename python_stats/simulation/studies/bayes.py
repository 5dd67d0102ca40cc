"""Bayesian readings: with truths drawn from the prior, posteriors must be right as often as they say."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from python_stats.bayes import beta_binomial, normal_normal
from python_stats.simulation.study import Simulate, Study
from python_stats.simulation.trials import ALPHA, Trials, holds

FloatArray = NDArray[np.float64]

FLAT_PRIOR = "normal_normal, flat prior"
GROUP = "Bayesian readings, truths drawn from the prior"
BOLD = "what is said to be better with 95 % is worse less often, because much of it is said with more than 95 %"


def _read(
    probability: FloatArray, better: NDArray[np.bool_], power: bool, covered: FloatArray, lift: FloatArray
) -> Trials:
    """Score a reading: error is a worse treatment among those said to be better with 95 %, power how many these are."""
    said = probability >= 1 - ALPHA
    return Trials(np.where(said, 1.0, 0.0) if power else np.where(said, ~better, np.nan), covered, lift)


def rates(n: tuple[int, int], prior: tuple[float, float]) -> Simulate:
    """Both rates from the beta prior."""

    def simulate(rng: np.random.Generator, replications: int, with_effect: bool) -> dict[str, Trials]:
        control, treatment = rng.beta(*prior, (2, replications))
        successes = [rng.binomial(size, p).astype(np.float64) for size, p in zip(n, (control, treatment), strict=True)]
        got = beta_binomial(successes[0], n[0], successes[1], n[1], prior_successes=prior[0], prior_failures=prior[1])
        covered = holds(got.ci_low, got.ci_high, treatment - control)
        lift = holds(got.lift_ci_low, got.lift_ci_high, treatment / control - 1)
        return {"beta_binomial": _read(got.probability_greater, treatment > control, with_effect, covered, lift)}

    return simulate


def effects(prior_sd: float) -> Simulate:
    """Draw the effect from the normal prior, in standard errors of its estimate."""

    def simulate(rng: np.random.Generator, replications: int, with_effect: bool) -> dict[str, Trials]:
        effect = rng.normal(0, prior_sd, replications)
        estimate = effect + rng.normal(size=replications)
        none = np.full(replications, np.nan)
        result = {}
        for name, sd in (("normal_normal", prior_sd), (FLAT_PRIOR, np.inf)):
            got = normal_normal(estimate, 1.0, prior_sd=sd)
            covered = holds(got.ci_low, got.ci_high, effect)
            result[name] = _read(got.probability_greater, effect > 0, with_effect, covered, none)
        return result

    return simulate


FLAT = (
    "a flat prior takes every estimate at its word; where most true effects are small, one in several of its "
    "95 % certainties is wrong although its intervals cover"
)

STUDIES = [
    Study(GROUP, "rates from Beta(10, 90), 500 + 500", "truth from the prior", rates((500, 500), (10.0, 90.0)),
          replications=2_000, block=500, notes={"beta_binomial": BOLD}),
    Study(GROUP, "rates from Beta(1, 1), 20 + 5", "truth from the prior", rates((20, 5), (1.0, 1.0)),
          replications=2_000, block=500, notes={"beta_binomial": BOLD}),
    Study(GROUP, "effects of half a standard error", "truth from the prior", effects(0.5),
          replications=100_000, block=20_000,
          notes={"normal_normal": BOLD, FLAT_PRIOR: FLAT}, contrast=(FLAT_PRIOR,)),
    Study(GROUP, "effects of three standard errors", "truth from the prior", effects(3.0),
          replications=20_000, block=20_000, notes={"normal_normal": BOLD, FLAT_PRIOR: BOLD}),
]  # fmt: skip
