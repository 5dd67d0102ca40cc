"""Geometric means against scipy, and what makes them geometric."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from python_stats.means.geometric import geometric_means
from python_stats.means.welch import welch_t

RNG = np.random.default_rng(8)
CONTROL, TREATMENT = RNG.lognormal(2.0, 1.1, 83), RNG.lognormal(2.3, 0.7, 61)


def logs(values):
    log = np.log(values)
    return log.mean(), log.var(ddof=1) if len(log) > 1 else np.nan, len(log)


@pytest.mark.parametrize(
    ("alternative", "scipys"), [("two_sided", "two-sided"), ("greater", "greater"), ("less", "less")]
)
def test_it_is_welch_on_the_logarithms(alternative, scipys):
    got = geometric_means(*logs(CONTROL), *logs(TREATMENT), alternative=alternative)
    want = stats.ttest_ind(np.log(TREATMENT), np.log(CONTROL), equal_var=False, alternative=scipys)
    interval = want.confidence_interval(0.95)
    assert float(got.mean_control) == pytest.approx(stats.gmean(CONTROL), rel=1e-12)
    assert float(got.mean_treatment) == pytest.approx(stats.gmean(TREATMENT), rel=1e-12)
    assert float(got.comparison.statistic) == pytest.approx(want.statistic, rel=1e-9)
    assert float(got.comparison.df) == pytest.approx(want.df, rel=1e-9)
    assert float(got.comparison.p_value) == pytest.approx(want.pvalue, rel=1e-9)
    # A ratio has no lower bound than -100 %, but an open side is open.
    low = -np.inf if alternative == "less" else np.expm1(interval.low)
    assert [float(got.lift.ci_low), float(got.lift.ci_high)] == pytest.approx([low, np.expm1(interval.high)], rel=1e-9)


def test_the_difference_has_the_delta_method_interval():
    got = geometric_means(*logs(CONTROL), *logs(TREATMENT)).comparison
    drawn = [stats.gmean(x[RNG.integers(0, len(x), (4_000, len(x)))], axis=1) for x in (CONTROL, TREATMENT)]
    assert float(got.effect) == pytest.approx(stats.gmean(TREATMENT) - stats.gmean(CONTROL), rel=1e-12)
    assert float(got.se) == pytest.approx((drawn[1] - drawn[0]).std(), rel=0.06)
    assert float(got.ci_low + got.ci_high) / 2 == pytest.approx(float(got.effect), rel=1e-12)


def test_the_limits_of_the_lift_exclude_zero_exactly_when_p_is_at_most_alpha():
    means = np.linspace(-0.6, 0.6, 200)
    for alternative in ("two_sided", "greater", "less"):
        got = geometric_means(0.0, 1.0, 40, means, 1.5, 50, alternative=alternative)
        excluded = (got.lift.ci_low > 0) | (got.lift.ci_high < 0)
        np.testing.assert_array_equal(excluded, got.comparison.p_value <= 0.05)


@settings(max_examples=40, deadline=None)
@given(scale=st.floats(1e-6, 1e6), seed=st.integers(0, 99))
def test_another_unit_of_measurement_changes_the_effect_but_neither_lift_nor_test(scale, seed):
    rng = np.random.default_rng(seed)
    control, treatment = rng.lognormal(0, 1, 20), rng.lognormal(0.3, 1, 30)
    plain = geometric_means(*logs(control), *logs(treatment))
    scaled = geometric_means(*logs(scale * control), *logs(scale * treatment))
    np.testing.assert_allclose(scaled.comparison.effect, scale * plain.comparison.effect, rtol=1e-6, atol=1e-9 * scale)
    np.testing.assert_allclose(scaled.comparison.p_value, plain.comparison.p_value, rtol=1e-6)
    np.testing.assert_allclose(scaled.lift[:4], plain.lift[:4], rtol=1e-6, atol=1e-9)


def test_swapped_arms_turn_the_ratio_around():
    there, back = (geometric_means(*logs(a), *logs(b)) for a, b in ((CONTROL, TREATMENT), (TREATMENT, CONTROL)))
    assert float(back.lift.lift) == pytest.approx(1 / (1 + float(there.lift.lift)) - 1, rel=1e-12)
    assert float(back.lift.ci_low) == pytest.approx(1 / (1 + float(there.lift.ci_high)) - 1, rel=1e-12)
    assert float(back.comparison.ci_low) == pytest.approx(-float(there.comparison.ci_high), rel=1e-12)


def test_all_cells_at_once_equal_one_cell_at_a_time_and_bad_cells_are_nan():
    arms = RNG.uniform(2, 40, (6, 12))
    arms[:, :4] = np.array([[0.0, np.nan, 1.0, 1.0], [0.0, 1.0, 1.0, -1.0], [9, 9, 1, 9]] * 2)
    side = np.resize(["two_sided", "greater", "less"], 12)
    together = geometric_means(*arms, alternative=side)
    for cell in range(12):
        alone = geometric_means(*arms[:, cell], alternative=side[cell])
        for got, want in ((together.comparison, alone.comparison), (together.lift, alone.lift)):
            for field in got._fields:
                np.testing.assert_array_equal(getattr(got, field)[cell], getattr(want, field))
    np.testing.assert_array_equal(np.isnan(together.comparison.p_value), [True] * 4 + [False] * 8)
    np.testing.assert_array_equal(together.lift.method[:5], ["undefined"] * 4 + ["log_t"])


def test_trap_a_constant_metric_has_no_p_value():
    got = geometric_means(np.log(7.0), 1e-33, 100, np.log(7.0), 1e-33, 100)
    assert float(got.comparison.effect) == 0.0 and float(got.lift.lift) == 0.0
    assert np.isnan([got.comparison.p_value, got.comparison.ci_low, got.lift.ci_low, got.lift.se]).all()


def test_wrong_arguments_are_refused_in_words():
    with pytest.raises(ValueError, match="alpha"):
        geometric_means(0, 1, 9, 0, 1, 9, alpha=0)
    with pytest.raises(ValueError, match="alternative"):
        geometric_means(0, 1, 9, 0, 1, 9, alternative="larger")


def test_means_beyond_the_range_of_doubles_are_nan_and_the_test_stands():
    got = geometric_means([900.0, 1.0, 800.0], 1.0, 50, [901.0, 900.0, 3.0], 1.0, 50)
    want = welch_t([900.0, 1.0, 800.0], 1.0, 50, [901.0, 900.0, 3.0], 1.0, 50)
    np.testing.assert_array_equal(got.comparison.p_value, want.p_value)
    for field in ("effect", "se", "ci_low", "ci_high"):
        assert np.all(np.isnan(getattr(got.comparison, field))), field
    # The ratio of two such means is known all the same.
    np.testing.assert_allclose(got.lift.lift, [np.expm1(1.0), np.nan, -1.0], rtol=1e-12)
    assert np.isnan(got.lift.ci_low[1]) and np.isnan(got.lift.ci_high[1])
    assert got.lift.method.tolist() == ["log_t", "undefined", "log_t"]
