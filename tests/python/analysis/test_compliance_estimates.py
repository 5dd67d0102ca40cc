"""The effect on compliers from the moments that SQL hands over."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from python_stats.analysis.estimators.compliance_estimates import compliance_estimates
from python_stats.analysis.table.estimate_rows import frame_of

KEYS = ["exp_id", "metric_id", "variant_id", "population", "dimension", "segment", "look_date"]


def comparison(control, treatment, **plan) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One comparison and its exposure moments; an arm is a pair of arrays (outcome, exposed)."""
    row = {
        **dict.fromkeys(KEYS, "x"), "plan_key": 1, "population": "assigned", "variant_id": "t",
        "control_variant_id": "c", "metric_type": "mean", "is_clustered": False, "alpha": 0.05,
        "alternative": "two_sided",
    }  # fmt: skip
    moments = []
    for name, variant, (y, d) in (("control", "c", control), ("treatment", "t", treatment)):
        row |= {
            f"n_{name}": len(y), f"mean_numerator_{name}": y.mean(), f"var_numerator_{name}": y.var(ddof=1),
            f"mean_denominator_{name}": np.nan, f"clusters_{name}": np.nan,
        }  # fmt: skip
        moments.append((1, variant, d.sum(), np.cov(y, d)[0, 1]))
    columns = ["plan_key", "variant_id", "n_exposed", "cov_numerator_exposure"]
    return pd.DataFrame([row | plan]), pd.DataFrame(moments, columns=columns)


def arm(rng, size, share, shift=0.0):
    exposed = (rng.random(size) < share).astype(float)
    return rng.gamma(2.0, 3.0, size) + (2.0 + shift) * exposed, exposed


@pytest.fixture
def arms():
    rng = np.random.default_rng(5)
    return arm(rng, 400, 0.1), arm(rng, 380, 0.7)


def test_is_the_ratio_of_the_two_differences(arms):
    (y_c, d_c), (y_t, d_t) = arms
    row = frame_of(compliance_estimates(*comparison(*arms))).iloc[0]
    assert row["estimator"] == "cace" and row["status"] == "ok" and not row["is_unadjusted"]
    assert row["effect"] == pytest.approx((y_t.mean() - y_c.mean()) / (d_t.mean() - d_c.mean()), rel=1e-12)
    residual = [y - row["effect"] * d for y, d in arms]
    se = np.sqrt(sum(e.var(ddof=1) / len(e) for e in residual)) / (d_t.mean() - d_c.mean())
    assert row["effect_se"] == pytest.approx(se, rel=1e-10)
    assert row["mean_control"] == pytest.approx(y_c.mean()) and row["mean_treatment"] == pytest.approx(y_t.mean())


def test_shift_and_scale(arms):
    plain = frame_of(compliance_estimates(*comparison(*arms))).iloc[0]
    moved = frame_of(compliance_estimates(*comparison(*[(7 + 3 * y, d) for y, d in arms]))).iloc[0]
    assert moved["effect"] == pytest.approx(3 * plain["effect"], rel=1e-9)
    assert moved["effect_se"] == pytest.approx(3 * plain["effect_se"], rel=1e-9)
    assert moved["p_value"] == pytest.approx(plain["p_value"], rel=1e-7)


def test_swapping_the_arms_changes_nothing(arms):
    """Numerator and denominator change their sign together: the effect is one of exposure, not of assignment."""
    forth = frame_of(compliance_estimates(*comparison(*arms))).iloc[0]
    back = frame_of(compliance_estimates(*comparison(*reversed(arms)))).iloc[0]
    assert back["effect"] == pytest.approx(forth["effect"], rel=1e-12)
    assert back["effect_se"] == pytest.approx(forth["effect_se"], rel=1e-12)


def test_perfect_compliance_is_the_intent_to_treat_effect(arms):
    (y_c, _), (y_t, _) = arms
    row = frame_of(compliance_estimates(*comparison((y_c, np.zeros_like(y_c)), (y_t, np.ones_like(y_t))))).iloc[0]
    assert row["status"] == "ok"
    assert row["effect"] == pytest.approx(y_t.mean() - y_c.mean(), rel=1e-12)
    assert row["effect_se"] == pytest.approx(np.sqrt(y_c.var(ddof=1) / 400 + y_t.var(ddof=1) / 380), rel=1e-10)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_equal_exposure_is_no_instrument(share):
    """A division by a compliance of nearly zero makes huge numbers, and with it any significance one likes."""
    rng = np.random.default_rng(3)
    row = frame_of(compliance_estimates(*comparison(arm(rng, 500, share), arm(rng, 500, share)))).iloc[0]
    assert row["status"] == "weak_instrument"
    assert row[["effect", "effect_se", "p_value", "effect_ci_low", "effect_ci_high"]].isna().all()


def test_constant_outcomes_have_no_test(arms):
    """An error encoded as effect 0 with p = 1 would read as evidence of absence."""
    row = frame_of(compliance_estimates(*comparison(*[(np.ones_like(y), d) for y, d in arms]))).iloc[0]
    assert row["status"] == "zero_variance" and np.isnan(row["p_value"]) and np.isnan(row["effect_se"])


@pytest.mark.parametrize("plan", [{"population": "exposed"}, {"metric_type": "ratio"}, {"is_clustered": True}])
def test_other_comparisons_have_no_row(arms, plan):
    assert frame_of(compliance_estimates(*comparison(*arms, **plan))).empty


def test_without_exposures_there_are_no_rows(arms):
    table, moments = comparison(*arms)
    assert frame_of(compliance_estimates(table, moments.iloc[:0])).empty
    assert frame_of(compliance_estimates(table.iloc[:0], moments)).empty


def test_one_sided_alternatives_have_one_limit(arms):
    row = frame_of(compliance_estimates(*comparison(*arms, alternative="greater"))).iloc[0]
    two = frame_of(compliance_estimates(*comparison(*arms))).iloc[0]
    assert row["effect_ci_high"] == np.inf and row["effect_ci_low"] > two["effect_ci_low"]
    assert row["p_value"] == pytest.approx(two["p_value"] / 2, rel=1e-9)
