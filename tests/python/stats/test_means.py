"""Welch, pooled t and Cohen's d against R and pingouin."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from python_stats.means.welch import cohen_d, pooled_t, variance_above_rounding, welch_t

# Student (1908), extra hours of sleep; R's datasets::sleep.
SLEEP_1 = np.array([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0])
SLEEP_2 = np.array([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4])

ARM = st.tuples(st.floats(-100, 100), st.floats(0.01, 50), st.integers(2, 500))


def moments(values):
    return values.mean(), values.var(ddof=1), values.size


def anorexia(case):
    table = case.table()
    arms = [table["change"][table["Treat"] == name] for name in ("Cont", "CBT")]
    return (*moments(arms[0]), *moments(arms[1]))


def test_sleep_as_printed_by_r():
    # The formula interface takes group 1 minus group 2.
    result = welch_t(*moments(SLEEP_2), *moments(SLEEP_1))
    np.testing.assert_allclose(result.statistic, -1.8608, atol=5e-5)
    np.testing.assert_allclose(result.df, 17.776, atol=5e-4)
    np.testing.assert_allclose(result.p_value, 0.07939, atol=5e-6)
    np.testing.assert_allclose([result.ci_low, result.ci_high], [-3.3654832, 0.2054832], atol=5e-8)


def test_welch_oracle(oracle_case):
    case = oracle_case("welch_t")
    arms = anorexia(case)
    result = welch_t(*arms)
    case.check("mean_Cont", arms[0])
    case.check("mean_CBT", arms[3])
    case.check("diff", result.effect)
    case.check("se", result.se)
    case.check("t", result.statistic)
    case.check("df", result.df)
    case.check("p", result.p_value)
    case.check("ci95", [result.ci_low, result.ci_high])
    one_sided = welch_t(*arms, alternative="greater")
    case.check("p_greater", one_sided.p_value)
    case.check("ci95_one_sided_lower", one_sided.ci_low)
    assert one_sided.ci_high == np.inf
    pooled = pooled_t(*arms)
    case.check("pooled_t", pooled.statistic)
    case.check("pooled_p", pooled.p_value)
    # pingouin 0.7.0, in the case's second route.
    np.testing.assert_allclose(cohen_d(*arms), 0.45265668780623675, rtol=1e-12)
    sleep, expected = welch_t(*moments(SLEEP_2), *moments(SLEEP_1)), case.expected["sleep"]
    case.check("sleep", sleep.statistic, expected["t"])
    case.check("sleep", sleep.df, expected["df"])
    case.check("sleep", sleep.p_value, expected["p"])
    case.check("sleep", [sleep.ci_low, sleep.ci_high], expected["ci95"])


@settings(deadline=None)
@given(control=ARM, treatment=ARM, shift=st.floats(-50, 50), scale=st.floats(0.1, 10))
def test_shift_and_scale(control, treatment, shift, scale):
    base = welch_t(*control, *treatment)
    moved = welch_t(
        *(scale * control[0] + shift, scale**2 * control[1], control[2]),
        *(scale * treatment[0] + shift, scale**2 * treatment[1], treatment[2]),
    )
    np.testing.assert_allclose(moved.effect, scale * base.effect, atol=1e-9)
    np.testing.assert_allclose(moved.se, scale * base.se, rtol=1e-9)
    np.testing.assert_allclose(moved.df, base.df, rtol=1e-9)
    np.testing.assert_allclose(moved.statistic, base.statistic, atol=1e-7)


@settings(deadline=None)
@given(control=ARM, treatment=ARM)
@pytest.mark.parametrize("test", [welch_t, pooled_t])
def test_swapping_the_arms_turns_the_sign(test, control, treatment):
    there = test(*control, *treatment, alternative="greater")
    back = test(*treatment, *control, alternative="less")
    np.testing.assert_allclose(there.effect, -back.effect)
    np.testing.assert_allclose(there.p_value, back.p_value, rtol=1e-9)
    np.testing.assert_allclose(there.ci_low, -back.ci_high)


def test_welch_is_pooled_for_equal_variances_and_sizes():
    welch, pooled = welch_t(1, 4, 30, 2, 4, 30), pooled_t(1, 4, 30, 2, 4, 30)
    for got, want in zip(welch, pooled, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12)


def test_vectorised_is_one_cell_at_a_time():
    rng = np.random.default_rng(5)
    arms = [rng.normal(size=20), rng.exponential(size=20), rng.integers(2, 90, 20)] * 2
    together = welch_t(*arms)
    for i in range(20):
        for whole, single in zip(together, welch_t(*(arm[i] for arm in arms)), strict=True):
            assert whole[i] == single


@pytest.mark.parametrize(
    ("var", "n"), [(4.0, 1), (4.0, 0), (4.0, np.nan), (np.nan, 10), (-1.0, 10), (np.inf, 10), (4.0, np.inf)]
)
def test_an_arm_without_variance_or_units_gives_no_number_and_keeps_the_effect(var, n):
    for test in (welch_t, pooled_t):
        result = test([1.0, 1.0], [4.0, var], [20, n], [2.0, 2.0], 4.0, 20)
        assert np.isnan([result.statistic[1], result.p_value[1], result.ci_low[1], result.ci_high[1]]).all()
        assert (result.effect == 1.0).all()
        assert not np.isnan(result.p_value[0])
    assert np.isnan(cohen_d(1.0, var, n, 2.0, 4.0, 20))


def test_trap_constant_metric_has_no_p():
    # What running sums leave of a column of 0.1: a variance near 1e-33, and a t statistic that looks like a finding.
    for variance in (0.0, 1e-33):
        result = welch_t(0.1, variance, 1_000_000, 0.1 + 1e-17, variance, 1_000_000)
        assert np.isnan(result.p_value)
        assert result.se == 0.0
    assert np.isnan(cohen_d(0.1, 1e-33, 10, 0.1, 1e-33, 10))


def test_one_constant_arm_is_enough_to_compare():
    result = welch_t(0.0, 0.0, 10, 1.0, 4.0, 16)
    np.testing.assert_allclose(result.df, 15)
    np.testing.assert_allclose(result.statistic, 2.0)


def test_a_small_spread_beside_a_large_mean_is_not_rounding():
    # NIST NumAcc4 has mean 1e7 and standard deviation 0.1.
    assert variance_above_rounding(0.01, 1e7) == 0.01


def test_extreme_variances_keep_their_degrees_of_freedom():
    np.testing.assert_allclose(welch_t(0, 1e-300, 10, 0, 1e-300, 10).df, 18)


def test_hedges_correction_is_the_exact_one():
    # J(10) = gamma(5) / (sqrt(5) * gamma(4.5)) = 0.9227456.
    got = cohen_d(0, 1, 6, 1, 1, 6, bias_corrected=True)
    np.testing.assert_allclose(got, 24 / (np.sqrt(5) * 11.631728396567448), rtol=1e-12)
    np.testing.assert_allclose(cohen_d(0, 1, 10**6, 1, 1, 10**6, bias_corrected=True), 1.0, atol=1e-6)
