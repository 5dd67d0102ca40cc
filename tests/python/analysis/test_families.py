"""Families of headline p-values."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import dunnett

from python_stats.analysis.effects import effects
from python_stats.analysis.judgement import families
from python_stats.analysis.judgement.headline import Headlines
from python_stats.analysis.table.comparisons import Comparisons
from python_stats.families.multiplicity import adjust


def headlines(p, **columns):
    n = len(p)
    table = {
        "exp_id": "e", "metric_id": [f"m{i}" for i in range(n)], "variant_id": "t", "population": "assigned",
        "dimension": "all", "segment": "all", "look_date": "2026-03-30", "role": "secondary",
        "p_value": p, "sequential_p_value": np.nan, "alpha": 0.05, "correction": "holm", "effect": 1.0,
        "effect_se": 0.5, "df": np.nan, "control_variance": np.nan, "alternative": "two_sided",
        "reference_skewness": 0.0,
    }  # fmt: skip
    return pd.DataFrame({**table, **columns})


NUMBERS = ["p_value", "sequential_p_value", "effect", "effect_se", "df", "control_variance", "reference_skewness"]


def correct_families(table):
    """Give the headlines of a frame with their corrections."""
    numbers = {name: table[name].to_numpy(dtype=float) for name in NUMBERS}
    got = families.correct_families(Headlines(Comparisons(table), numbers))
    added = ("p_value_adjusted", "correction", "correction_family", "is_significant")
    return table.assign(**{name: got[name] for name in added}).astype({"is_significant": "boolean"})


def test_a_family_is_the_metrics_and_arms_of_a_role():
    p = [0.01, 0.02, 0.03, 0.04]
    corrected = correct_families(headlines(p, role=["secondary", "secondary", "guardrail", "guardrail"]))
    assert corrected["p_value_adjusted"].tolist() == pytest.approx([0.02, 0.02, 0.06, 0.06])
    assert corrected["correction_family"].nunique() == 2
    assert corrected["is_significant"].tolist() == [True, True, False, False]


def test_every_primary_metric_is_a_family_of_its_arms():
    table = headlines([0.03, 0.03, 0.03], role="primary", metric_id=["a", "a", "b"], variant_id=["t", "u", "t"])
    assert correct_families(table)["p_value_adjusted"].tolist() == pytest.approx([0.06, 0.06, 0.03])


def test_rows_without_a_p_value_count_in_no_family():
    corrected = correct_families(headlines([0.02, np.nan], correction="bonferroni"))
    assert corrected["p_value_adjusted"].iloc[0] == pytest.approx(0.02)
    assert corrected["is_significant"].isna().tolist() == [False, True]
    assert corrected["correction_family"].notna().all()


def test_rows_off_the_headline_have_no_family(comparison, frame):
    rng = np.random.default_rng(5)
    arm = {"numerator": rng.normal(0, 1, 40), "covariate": rng.normal(0, 1, 40)}
    found = effects(frame(comparison(arm, arm | {"numerator": rng.normal(0, 1, 40)})))
    assert found["correction_family"].notna().tolist() == found["is_headline"].astype(bool).tolist()
    assert not found["is_headline"].astype(bool).all()


def test_a_sequential_p_value_decides_where_there_is_one():
    table = headlines([0.001, 0.001], sequential_p_value=[0.2, np.nan], role="primary")
    corrected = correct_families(table)
    assert corrected["p_value_adjusted"].tolist() == pytest.approx([0.2, 0.001])
    assert corrected["is_significant"].tolist() == [False, True]


def test_storey_needs_a_hundred_tests():
    rng = np.random.default_rng(3)
    p = np.r_[rng.uniform(0, 0.01, 60), rng.uniform(0, 1, 90)]
    many = correct_families(headlines(p, correction="storey"))
    assert set(many["correction"]) == {"storey"}
    share = (np.sum(p > 0.05) + 1) / (150 * 0.95)
    # One estimated share of true nulls, from the p-values above alpha and near the true 0.6, times Benjamini-Hochberg.
    assert 0.5 < share < 0.7
    want = np.maximum(p, share * adjust(p, 0, "benjamini_hochberg"))
    np.testing.assert_allclose(many["p_value_adjusted"], want, rtol=1e-12)
    strict = correct_families(headlines(p, correction="storey", alpha=0.01))
    share = (np.sum(p > 0.01) + 1) / (150 * 0.99)
    want = np.maximum(p, share * adjust(p, 0, "benjamini_hochberg"))
    np.testing.assert_allclose(strict["p_value_adjusted"], want, rtol=1e-12)
    few = correct_families(headlines(p[:20], correction="storey"))
    assert set(few["correction"]) == {"benjamini_hochberg"}
    assert few["p_value_adjusted"].to_numpy() == pytest.approx(adjust(p[:20], 0, "benjamini_hochberg"))


def test_dunnett_knows_that_the_arms_share_a_control(comparison, frame):
    rng = np.random.default_rng(8)
    control, arms = rng.normal(0, 1, 400), [rng.normal(0.18, 1, 400), rng.normal(0.1, 1, 400), rng.normal(0, 1, 400)]
    rows = [
        comparison({"numerator": control}, {"numerator": arm}, variant_id=name, correction="dunnett")
        for name, arm in zip("abc", arms, strict=True)
    ]
    found = effects(frame(*rows))
    found = found[found["is_headline"]].set_index("variant_id")
    assert set(found["correction"]) == {"dunnett"}
    # scipy pools the variance of the arms; with 400 units each the difference is in the third digit.
    want = dunnett(*arms, control=control, random_state=np.random.default_rng(1)).pvalue
    assert found["p_value_adjusted"].to_numpy() == pytest.approx(want, rel=0.02, abs=2e-3)
    bonferroni = np.minimum(1, 3 * found["p_value"].astype(float))
    assert (found["p_value_adjusted"] < bonferroni).all() and (found["p_value_adjusted"] > found["p_value"]).all()


def test_dunnett_without_the_shared_variance_is_bonferroni_and_says_so():
    corrected = correct_families(headlines([0.02, 0.03], metric_id="m", variant_id=["a", "b"], correction="dunnett"))
    assert corrected["p_value_adjusted"].tolist() == pytest.approx([0.04, 0.06])
    assert set(corrected["correction"]) == {"bonferroni"}


def test_an_empty_table_stays_empty():
    assert correct_families(headlines([])).empty


def test_dunnett_of_a_transformed_statistic_is_bonferroni_and_says_so():
    table = headlines([0.01, 0.02], variant_id=["a", "b"], metric_id="m", correction="dunnett", control_variance=0.1,
                      reference_skewness=[0.3, 0.0], df=90.0)  # fmt: skip
    corrected = correct_families(table)
    assert set(corrected["correction"]) == {"bonferroni"}
    assert corrected["p_value_adjusted"].tolist() == pytest.approx([0.02, 0.04])
