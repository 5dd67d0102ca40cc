"""The treatment against a fixed value."""

import numpy as np
import pytest
from scipy.stats import binomtest, ttest_1samp

from python_stats.analysis.estimators.benchmark_estimates import benchmark_estimates
from python_stats.analysis.table.estimate_rows import frame_of
from python_stats.rates.one_proportion import wilson_interval


def units(successes, n):
    return {"numerator": np.r_[np.ones(successes), np.zeros(n - successes)]}


def test_a_rate_takes_the_nulls_variance_and_wilsons_interval(comparison, frame):
    row = frame_of(
        benchmark_estimates(
            frame(comparison(units(500, 933), units(601, 933), metric_type="proportion", benchmark=0.6))
        )
    ).iloc[0]
    assert row["estimator"] == "benchmark" and row["status"] == "ok" and np.isnan(row["mean_control"])
    # R 4.2.2, prop.test(601, 933, p = 0.6, correct = FALSE).
    assert row["p_value"] == pytest.approx(0.0059, abs=5e-6)
    limits = wilson_interval(601, 933)
    assert row["effect_ci_low"] + 0.6 == pytest.approx(float(limits.ci_low))
    assert row["effect_ci_high"] + 0.6 == pytest.approx(float(limits.ci_high))


def test_a_small_expected_count_is_tested_exactly(comparison, frame):
    row = frame_of(
        benchmark_estimates(frame(comparison(units(1, 50), units(4, 50), metric_type="proportion", benchmark=0.02)))
    ).iloc[0]
    want = binomtest(4, 50, 0.02)
    assert row["p_value"] == pytest.approx(want.pvalue, rel=1e-9)
    assert row["effect_ci_high"] + 0.02 == pytest.approx(want.proportion_ci().high)


def test_a_mean_takes_students_t(comparison, frame):
    rng = np.random.default_rng(3)
    treatment = rng.normal(5.3, 2, 80)
    row = frame_of(
        benchmark_estimates(
            frame(comparison({"numerator": rng.normal(5, 2, 70)}, {"numerator": treatment}, benchmark=5.0))
        )
    ).iloc[0]
    want = ttest_1samp(treatment, 5.0)
    assert row["p_value"] == pytest.approx(want.pvalue, rel=1e-10) and row["df"] == 79
    assert row["effect_ci_low"] + 5 == pytest.approx(want.confidence_interval().low)


def test_a_ratio_takes_the_delta_method(comparison, frame):
    rng = np.random.default_rng(4)
    arms = [{"numerator": rng.poisson(3, 400).astype(float), "denominator": rng.poisson(9, 400) + 1.0} for _ in "ct"]
    row = frame_of(benchmark_estimates(frame(comparison(*arms, metric_type="ratio", benchmark=0.3)))).iloc[0]
    y, d = arms[1]["numerator"], arms[1]["denominator"]
    ratio = y.sum() / d.sum()
    assert row["effect"] == pytest.approx(ratio - 0.3)
    assert row["effect_se"] == pytest.approx(((y - ratio * d) / d.mean()).std(ddof=1) / 20)


def test_no_benchmark_no_row_and_a_bad_one_says_so(comparison, frame):
    arms = [units(20, 50), units(25, 50)]
    rows = [
        comparison(*arms, metric_id="none", benchmark=np.nan, metric_type="proportion"),
        comparison(*arms, metric_id="bad", benchmark=1.5, metric_type="proportion"),
        comparison(*arms, metric_id="clustered", benchmark=0.5, metric_type="proportion", is_clustered=True),
        comparison({"numerator": np.ones(9)}, {"numerator": np.ones(9)}, metric_id="constant", benchmark=0.5),
    ]
    found = frame_of(benchmark_estimates(frame(*rows))).set_index("metric_id")["status"]
    assert found.to_dict() == {"bad": "bad_benchmark", "constant": "zero_variance"}
