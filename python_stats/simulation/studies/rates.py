"""Rates: two arms, one arm, and tables; counts are drawn directly, which is the same as drawing units."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from python_stats.lift import fieller_lift, linear_delta_lift
from python_stats.moments import Moments
from python_stats.rates.contingency import chi_square_rxc, fisher_exact_2x2
from python_stats.rates.one_proportion import clopper_pearson_interval, exact_binomial_test, one_proportion_z
from python_stats.rates.proportion_score import farrington_manning, score_ratio_interval
from python_stats.rates.proportions import agresti_caffo_interval, newcombe_interval, two_proportion_z
from python_stats.simulation.shipped import comparison_frame, shipped
from python_stats.simulation.study import Simulate, Study
from python_stats.simulation.trials import Trials, answers

FloatArray = NDArray[np.float64]

GROUP = "Rates"


def counted(successes: FloatArray, n: FloatArray) -> Moments:
    """Moments of n units of which so many are 1 and the others 0."""
    rate = successes / n
    return Moments(n, rate[:, None], (rate * (1 - rate) * n / (n - 1))[:, None, None])


def two_rates(
    p: float,
    n_control: int,
    n_treatment: int,
    effect: float,
    *,
    alternative: str = "two_sided",
    by_coin: bool = False,
) -> Simulate:
    """Rates p and p + effect; by coin, every unit has its arm by chance and the sizes are their expectation."""

    def simulate(rng: np.random.Generator, replications: int, with_effect: bool) -> dict[str, Trials]:
        truth = effect if with_effect else 0.0
        units = n_control + n_treatment
        n_t = rng.binomial(units, n_treatment / units, replications) if by_coin else np.full(replications, n_treatment)
        n_c = units - n_t
        x_c = rng.binomial(n_c, p).astype(np.float64)
        x_t = rng.binomial(n_t, p + truth).astype(np.float64)
        arms = (x_c, n_c.astype(np.float64), x_t, n_t.astype(np.float64))
        frame = comparison_frame(
            counted(x_c, arms[1]), counted(x_t, arms[3]), ("numerator",),
            metric_type="proportion", alternative=alternative,
        )  # fmt: skip
        result = shipped(frame, truth, truth / p, with_headline=True)
        # By its own rule the exact test sees only part of the replications: here it is asked for in all.
        result.pop("exact", None)
        if min(n_control, n_treatment) * min(p, 1 - p) < 60:
            result["exact"] = shipped(frame.assign(estimator="exact"), truth, truth / p)["exact"]
        if alternative != "two_sided":
            return result
        raw = two_proportion_z(*arms)
        control = (x_c / arms[1], np.sqrt(x_c / arms[1] * (1 - x_c / arms[1]) / arms[1]))
        scored = farrington_manning(*arms, null=0.0, variance="miettinen_nurminen", alternative="two_sided")
        ratio = score_ratio_interval(*arms, small_sample_factor=True)
        with np.errstate(invalid="ignore"):
            score_lift = (ratio.ci_low - 1, ratio.ci_high - 1)
        result["score test, Miettinen-Nurminen intervals"] = answers(
            scored.p_value, (scored.ci_low, scored.ci_high), truth, score_lift, truth / p
        )
        if min(n_control, n_treatment) * min(p, 1 - p) < 60:
            result["Fisher, Newcombe interval"] = answers(fisher_exact_2x2(*arms), newcombe_interval(*arms), truth)
        for name, method in (("linear lift", linear_delta_lift), ("Fieller lift", fieller_lift)):
            lift = method(raw.effect, raw.se, *control)
            caffo = agresti_caffo_interval(*arms)
            result[f"z, Agresti-Caffo interval, {name}"] = answers(
                raw.p_value, caffo, truth, (lift.ci_low, lift.ci_high), truth / p
            )
        return result

    return simulate


def one_rate(p: float, n: int, effect: float) -> Simulate:
    """One rate p, tested against the benchmark p - effect (p itself without an effect)."""

    def simulate(rng: np.random.Generator, replications: int, with_effect: bool) -> dict[str, Trials]:
        truth = effect if with_effect else 0.0
        x = rng.binomial(n, p, replications).astype(np.float64)
        z = one_proportion_z(x, n, p - truth)
        exact = exact_binomial_test(x, n, p - truth)
        return {
            "one_proportion_z (Wilson interval)": answers(z.p_value, (z.ci_low, z.ci_high), truth),
            "exact_binomial_test (Clopper-Pearson)": answers(exact, clopper_pearson_interval(x, n), p),
        }

    return simulate


def table(shares: tuple[float, ...], n: tuple[int, ...], moved: float) -> Simulate:
    """Draw categories of units in several arms; the last arm moves a share from the first to the second category."""

    def simulate(rng: np.random.Generator, replications: int, with_effect: bool) -> dict[str, Trials]:
        last = np.array(shares)
        last[:2] += (-moved if with_effect else 0.0, moved if with_effect else 0.0)
        rows = [rng.multinomial(size, shares, replications) for size in n[:-1]]
        rows.append(rng.multinomial(n[-1], last, replications))
        return {"chi_square_rxc": answers(chi_square_rxc(np.stack(rows, axis=1)).p_value)}

    return simulate


def _study(scenario: str, effect: str, simulate: Simulate, *, contrast: tuple[str, ...] = ()) -> Study:
    return Study(GROUP, scenario, effect, simulate, replications=20_000, block=5_000, contrast=contrast)


LINEAR = "z, Agresti-Caffo interval, linear lift"
FIELLER = "z, Agresti-Caffo interval, Fieller lift"
SCORE = "score test, Miettinen-Nurminen intervals"
# With a handful of events or fewer the headline is `exact`; the z test's row and other approximations stand beside it.
NEXT_TO_NONE = ("difference", SCORE, LINEAR, FIELLER)

STUDIES = [
    _study("p = 0.1, 2,000 + 2,000", "+0.03", two_rates(0.1, 2000, 2000, 0.03)),
    # In arms of exactly 100 the z test's p-values are so few that 5.6 % are at most 5 %: docs/statistics/rates.md.
    _study("p = 0.5, 200 units assigned one by one", "+0.2", two_rates(0.5, 100, 100, 0.2, by_coin=True)),
    _study("p = 0.01, 3,000 + 3,000", "+0.01", two_rates(0.01, 3000, 3000, 0.01)),
    _study("p = 0.005, 1,000 + 1,000", "+0.015", two_rates(0.005, 1000, 1000, 0.015), contrast=(LINEAR,)),
    _study("p = 0.002, 1,000 + 1,000 (two expected events)", "+0.01", two_rates(0.002, 1000, 1000, 0.01),
           contrast=(LINEAR,)),
    _study("p = 0.998, 1,000 + 1,000", "-0.01", two_rates(0.998, 1000, 1000, -0.01)),
    _study("p = 0.05, 99/1 split: 19,800 + 200", "+0.05", two_rates(0.05, 19_800, 200, 0.05),
           contrast=(LINEAR, FIELLER)),
    _study("p = 0.15, 99/1 split: 19,800 + 200", "+0.08", two_rates(0.15, 19_800, 200, 0.08)),
    _study("p = 0.002, 99/1 split: 19,800 + 200", "+0.02", two_rates(0.002, 19_800, 200, 0.02),
           contrast=NEXT_TO_NONE),
    _study("p = 0.1, 2,000 + 2,000, one-sided", "+0.025", two_rates(0.1, 2000, 2000, 0.025, alternative="greater")),
    _study("one rate of 0.6, 900 units", "benchmark lower by 0.05", one_rate(0.6, 900, 0.05)),
    _study("one rate of 0.02, 100 units", "benchmark lower by 0.015", one_rate(0.02, 100, 0.015)),
    _study("3 categories, 300 + 300", "0.1 moved", table((0.5, 0.3, 0.2), (300, 300), 0.1)),
    _study("3 categories, 3 arms of 30", "0.3 moved", table((0.6, 0.3, 0.1), (30, 30, 30), 0.3)),
]  # fmt: skip
