"""Who was affected and where: complier effects, differences in differences, effects by segment."""

from __future__ import annotations

import numpy as np

from python_stats.adjustment.causal import cace, difference_in_differences
from python_stats.analysis.estimators.compliance_estimates import compliance_estimates
from python_stats.analysis.estimators.difference_estimates import difference_estimates
from python_stats.analysis.table.estimate_rows import frame_of
from python_stats.families.heterogeneity import cochran_q, fixed_effect, interaction_test, random_effects
from python_stats.means.welch import welch_t
from python_stats.moments import Moments, moments_of
from python_stats.simulation.shipped import arm_rows, by_estimator, comparison_frame, shipped
from python_stats.simulation.study import Simulate, Study
from python_stats.simulation.trials import Trials, answers, compared

GROUP = "Compliers, differences in differences, segments"
# Without the degrees of freedom of the segments' standard errors: for standard errors that are not estimates.
AS_IF_KNOWN = "cochran_q, standard errors as if known", "fixed_effect, standard errors as if known"


def compliers(n: tuple[int, int], *, compliance: float, effect: float, always: float = 0.0) -> Simulate:
    """Encourage units: compliers take part when assigned to, and are better off anyway (so exposure is confounded)."""

    def simulate(rng: np.random.Generator, replications: int, with_effect: bool) -> dict[str, Trials]:
        truth = effect if with_effect else 0.0
        arms = []
        for size, treated in zip(n, (False, True), strict=True):
            kind = rng.random((replications, size))
            exposed = (kind < always) | ((kind < always + compliance) & treated)
            outcome = 10 + (kind < compliance) + truth * exposed + rng.normal(size=kind.shape)
            arms.append(moments_of(np.stack([outcome, exposed], axis=-1)))
        parts = [(m.mean[:, 0], m.mean[:, 1], m.var[:, 0], m.var[:, 1], m.cov[:, 0, 1], m.n) for m in arms]
        got = cace(*parts[0], *parts[1])
        # Where only a gap is excluded the limits are infinite: the set is larger than it need be, and covers.
        none = np.full(replications, np.nan)
        frame = comparison_frame(*(m.select([0]) for m in arms), ("numerator",))
        exposures = arm_rows(
            n_exposed=[m.mean[:, 1] * m.n for m in arms], cov_numerator_exposure=[m.cov[:, 0, 1] for m in arms]
        )
        return {
            **by_estimator(frame_of(compliance_estimates(frame, exposures)), frame, truth),
            "cace, however weak": answers(got.p_value, (got.ci_low, got.ci_high), truth),
            "cace, Anderson-Rubin set": answers(none, (got.ar_ci_low, got.ar_ci_high), truth),
        }

    return simulate


def before_after(n: tuple[int, int], *, effect: float) -> Simulate:
    """Compare changes from before to after, correlated by 0.6."""

    def simulate(rng: np.random.Generator, replications: int, with_effect: bool) -> dict[str, Trials]:
        truth = effect if with_effect else 0.0
        arms = []
        for size, own in zip(n, (0.0, truth), strict=True):
            pre = rng.normal(size=(replications, size))
            arms.append(moments_of(np.stack([pre, 0.6 * pre + 0.8 * rng.normal(size=pre.shape) + own], axis=-1)))
        frame = comparison_frame(*(m.select([1, 0]) for m in arms), ("numerator", "covariate"))
        asked = frame.assign(estimator="difference_in_differences", period_ratio=1.0)
        result = by_estimator(frame_of(difference_estimates(asked)), asked, truth)
        result["cuped"] = shipped(frame, truth)["cuped"]
        parts = [(m.mean[:, 0], m.mean[:, 1], m.var[:, 0], m.var[:, 1], m.cov[:, 0, 1], m.n) for m in arms]
        for kind in ("cr2", "cr1_stata"):
            got = difference_in_differences(*parts[0], *parts[1], standard_error=kind)
            result[f"difference_in_differences, {kind}"] = compared(got, truth)
        return result

    return simulate


def segments(count: int, n: int, *, spread: float) -> Simulate:
    """Estimate an effect of 0.2 sd in each segment; with an effect, the segments' own effects differ."""

    def simulate(rng: np.random.Generator, replications: int, with_effect: bool) -> dict[str, Trials]:
        own = 0.2 + np.linspace(-1, 1, count)[:, None] * spread * with_effect
        arms: list[Moments] = []
        for shift in (0.0, own):
            arms.append(moments_of((shift + rng.normal(size=(replications, count, n)))[..., None]))
        got = welch_t(*(part for arm in arms for part in (arm.mean[..., 0], arm.var[..., 0], arm.n)))
        effect, se = got.effect, got.se
        group = np.repeat(np.arange(replications), count)
        columns, se_df = (effect.ravel(), se.ravel(), group), got.df.ravel()
        fixed, naive, pooled = fixed_effect(*columns, se_df=se_df), fixed_effect(*columns), random_effects(*columns)
        ends = interaction_test(effect[:, 0], se[:, 0], effect[:, -1], se[:, -1], 4 * n - 4)
        none, truth = np.full(replications, np.nan), None if with_effect else 0.2
        return {
            "cochran_q": answers(cochran_q(*columns, se_df=se_df).p_value),
            AS_IF_KNOWN[0]: answers(cochran_q(*columns).p_value),
            "interaction_test of two segments": compared(ends, 2 * spread * with_effect),
            "fixed_effect": answers(none, (fixed.ci_low, fixed.ci_high), truth),
            AS_IF_KNOWN[1]: answers(none, (naive.ci_low, naive.ci_high), truth),
            "random_effects": answers(none, (pooled.ci_low, pooled.ci_high), truth),
        }

    return simulate


STATA = "difference_in_differences, cr1_stata"
WEAK = "the ratio's numerator and denominator depend on each other; the Anderson-Rubin set holds at any strength"


def _study(scenario: str, effect: str, simulate: Simulate, *contrast: str, note: str = "") -> Study:
    return Study(GROUP, scenario, effect, simulate, 10_000, 1_000, {"*": note} if note else {}, contrast)


STUDIES = [
    _study("half comply, 500 + 500", "0.35 sd", compliers((500, 500), compliance=0.5, effect=0.35), note=WEAK),
    _study("half comply, 10 % exposed in control, 90/10 split: 900 + 100", "0.6 sd",
           compliers((900, 100), compliance=0.5, effect=0.6, always=0.1), note=WEAK),
    _study("one in 20 complies, 100 + 100 (weak)", "3 sd",
           compliers((100, 100), compliance=0.05, effect=3.0), note=WEAK),
    _study("one in 50 complies, 5 % exposed in control, 200 + 200 (very weak)", "5 sd",
           compliers((200, 200), compliance=0.02, effect=5.0, always=0.05), note=WEAK),
    _study("before and after, 100 + 100", "0.35 sd", before_after((100, 100), effect=0.35)),
    _study("before and after, 10 + 40", "0.9 sd", before_after((10, 40), effect=0.9), STATA),
    _study("5 segments of 100 + 100", "from -0.2 to +0.6 sd", segments(5, 100, spread=0.4), *AS_IF_KNOWN),
    _study("20 segments of 10 + 10", "from -0.8 to +1.2 sd", segments(20, 10, spread=1.0), *AS_IF_KNOWN),
]  # fmt: skip
