"""Several treatments, and whether any of their arms differs."""

import numpy as np
import pytest
from scipy.stats import chi2_contingency
from statsmodels.stats.oneway import anova_oneway

from python_stats.analysis.effects import effects
from python_stats.analysis.settings import Settings


def omnibus(table):
    estimates = effects(table, {}, settings=Settings())
    return estimates[estimates["is_headline"]].set_index(["metric_id", "variant_id"])["omnibus_p_value"]


@pytest.fixture
def arms():
    rng = np.random.default_rng(2)
    return [rng.normal(shift, spread, n) for shift, spread, n in ((0, 1, 80), (0.3, 2, 60), (0.1, 1, 90))]


def test_means_are_welchs_analysis_of_variance(comparison, frame, arms):
    table = frame(
        *(comparison({"numerator": arms[0]}, {"numerator": a}, variant_id=str(i)) for i, a in enumerate(arms[1:]))
    )
    found = omnibus(table)
    want = anova_oneway(arms, use_var="unequal", welch_correction=True).pvalue
    assert found.to_numpy() == pytest.approx([want, want], rel=1e-9)


def test_rates_are_the_chi_square_of_arms_by_outcomes(comparison, frame):
    counts = [(60, 300), (80, 300), (75, 310)]
    units = [{"numerator": np.r_[np.ones(k), np.zeros(n - k)]} for k, n in counts]
    table = frame(
        *(comparison(units[0], u, variant_id=str(i), metric_type="proportion") for i, u in enumerate(units[1:]))
    )
    want = chi2_contingency([[k, n - k] for k, n in counts], correction=False).pvalue
    assert omnibus(table).to_numpy() == pytest.approx([want, want], rel=1e-9)


def test_a_single_treatment_has_none_and_metrics_do_not_mix(comparison, frame, arms):
    control, *treatments = ({"numerator": a} for a in arms)
    several = [comparison(control, t, metric_id="several", variant_id=str(i)) for i, t in enumerate(treatments)]
    found = omnibus(frame(several[0], comparison(control, treatments[0], metric_id="single"), several[1]))
    assert np.isnan(found["single", "t"])
    assert found["several", "0"] == found["several", "1"] == pytest.approx(omnibus(frame(*several)).iloc[0])


def test_an_arm_without_an_estimate_leaves_no_test_of_all_arms(comparison, frame, arms):
    control, *treatments = ({"numerator": a} for a in arms)
    table = frame(
        comparison(control, treatments[0], variant_id="a"),
        comparison(control, treatments[1], variant_id="b", issue="unknown_kpi"),
    )
    assert omnibus(table).isna().all()


def test_with_covariates_the_adjusted_arms_are_compared(comparison, frame):
    rng = np.random.default_rng(12)
    before = [rng.normal(0, 3, 500) for _ in range(3)]
    arms = [{"numerator": x + rng.normal(i * 0.15, 1, 500), "covariate": x} for i, x in enumerate(before)]
    raw = [{"numerator": arm["numerator"]} for arm in arms]
    tables = [frame(*(comparison(a[0], t, variant_id=str(i)) for i, t in enumerate(a[1:]))) for a in (arms, raw)]
    adjusted, plain = (omnibus(table).iloc[0] for table in tables)
    assert adjusted < 0.05 < plain


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_trap_the_control_s_variance_is_not_that_of_whichever_treatment_comes_first(comparison, frame, order):
    rng = np.random.default_rng(14)
    arms = []
    # The pre-period explains each treatment's outcome with another slope, so that each adjusts the control by another.
    for slope in (1.0, 0.1, 1.5, 4.0):
        before = rng.normal(0, 3, 200)
        arms.append({"numerator": slope * before + rng.normal(0.3 * slope, 1, 200), "covariate": before})
    rows = [comparison(arms[0], arm, variant_id=str(i)) for i, arm in enumerate(arms[1:])]
    renamed = [row | {"variant_id": str(order.index(i))} for i, row in enumerate(rows)]
    want = omnibus(frame(*rows)).to_numpy()
    got = omnibus(frame(*(renamed[i] for i in order))).to_numpy()
    assert got == pytest.approx(want, rel=1e-9) and np.isfinite(got).all()
