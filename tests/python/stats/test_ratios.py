"""The delta method for ratios of sums against survey::svyratio, and its invariances."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from python_stats.lift import linear_delta_lift, log_delta_lift
from python_stats.means.ratios import linearised_variance, ratio_difference
from python_stats.means.welch import welch_t

NUM = np.array([2.0, 7, 0, 0, 1, 3, 0, 5])
DEN = np.array([4.0, 9, 1, 3, 2, 8, 1, 6])


def moments(num, den):
    cov = np.cov(num, den, ddof=1)
    return num.mean(), den.mean(), cov[0, 0], cov[1, 1], cov[0, 1], num.size


def test_it_is_the_variance_of_the_linearised_units():
    ratio = NUM.sum() / DEN.sum()
    linearised = (NUM - ratio * DEN) / DEN.mean()
    np.testing.assert_allclose(linearised_variance(*moments(NUM, DEN)[:5]), linearised.var(ddof=1), rtol=1e-13)


def test_ratio_oracle(oracle_case):
    case = oracle_case("ratio_delta_cgd")
    table = case.table()
    arms, ratio, se = [], [], []
    for name in ("placebo", "rIFN-g"):
        rows = table["treat"] == name
        arms.append(moments(table["num"][rows], table["den"][rows]))
        ratio.append(arms[-1][0] / arms[-1][1])
        se.append(np.sqrt(linearised_variance(*arms[-1][:5]) / arms[-1][5]))
    case.check("n_control", arms[0][5])
    case.check("n_treatment", arms[1][5])
    case.check("ratio_control", ratio[0])
    case.check("se_control", se[0])
    case.check("ratio_treatment", ratio[1])
    case.check("se_treatment", se[1])
    result = ratio_difference(*arms[0], *arms[1])
    case.check("diff", result.effect)
    case.check("se_diff", result.se)
    case.check("z", result.statistic)
    case.check("p_z", result.p_value)
    case.check("ci95_z", [result.ci_low, result.ci_high])
    linear = linear_delta_lift(result.effect, result.se, ratio[0], se[0])
    case.check("lift", linear.lift)
    case.check("lift_se_delta", linear.se)
    case.check("lift_ci95_delta_z", [linear.ci_low, linear.ci_high])
    logarithmic = log_delta_lift(result.effect, result.se, ratio[0], se[0])
    case.check("lift_ci95_log_delta_z", [logarithmic.ci_low, logarithmic.ci_high])
    # mean_of_unit_ratios_* is another estimand: the case has it to show that the ratio of sums differs from it.
    assert abs(case.expected["mean_of_unit_ratios_control"] / ratio[0] - 1) > 0.05


@settings(deadline=None)
@given(scale_num=st.floats(0.01, 100), scale_den=st.floats(0.01, 100))
def test_units_of_numerator_and_denominator(scale_num, scale_den):
    base = ratio_difference(*moments(NUM, DEN), *moments(NUM[::-1] + 1, DEN))
    got = ratio_difference(
        *moments(scale_num * NUM, scale_den * DEN), *moments(scale_num * (NUM[::-1] + 1), scale_den * DEN)
    )
    np.testing.assert_allclose(got.effect, base.effect * scale_num / scale_den, rtol=1e-9)
    np.testing.assert_allclose(got.p_value, base.p_value, rtol=1e-9)


def test_adding_a_multiple_of_the_denominator_shifts_the_ratio_only():
    moved = linearised_variance(*moments(NUM + 3 * DEN, DEN)[:5])
    np.testing.assert_allclose(moved, linearised_variance(*moments(NUM, DEN)[:5]), rtol=1e-12)


def test_swapping_the_arms_turns_the_sign():
    first, second = moments(NUM, DEN), moments(NUM[::-1], DEN)
    there, back = ratio_difference(*first, *second), ratio_difference(*second, *first)
    np.testing.assert_allclose([there.effect, there.ci_low], [-back.effect, -back.ci_high])
    np.testing.assert_allclose(there.p_value, back.p_value)


def test_a_denominator_of_one_per_unit_is_a_mean():
    one = np.ones(8)
    ratio = ratio_difference(*moments(NUM, one), *moments(NUM + 1, one))
    mean = welch_t(NUM.mean(), NUM.var(ddof=1), 8, NUM.mean() + 1, NUM.var(ddof=1), 8)
    np.testing.assert_allclose([ratio.effect, ratio.se], [mean.effect, mean.se], rtol=1e-12)


def test_trap_zero_denominator_is_missing_and_stops_nobody():
    good, empty = moments(NUM, DEN), (1.0, 0.0, 1.0, 0.0, 0.0, 8)
    arms = [np.array(pair) for pair in zip(good, empty, strict=True)]
    result = ratio_difference(*arms, *good)
    assert np.isnan([result.effect[1], result.se[1], result.p_value[1], result.ci_low[1]]).all()
    assert not np.isnan(result.p_value[0] if result.effect[0] else 0.0)


def test_trap_proportional_numerator_has_zero_variance_not_rounding():
    rng = np.random.default_rng(47)
    for _ in range(50):
        den = rng.exponential(size=9)
        arm = moments(rng.uniform() * den, den)
        assert linearised_variance(*arm[:5]) == 0.0
    result = ratio_difference(*arm, *arm)
    assert np.isnan([result.statistic, result.p_value, result.ci_low]).all()


@pytest.mark.parametrize("n", [1, 0, np.nan])
def test_too_few_units_keep_the_effect_only(n):
    result = ratio_difference(*moments(NUM, DEN)[:5], n, *moments(NUM + 1, DEN))
    assert np.isnan([result.se, result.p_value]).all()
    assert result.effect > 0


def test_trap_covariance_and_variance_with_one_divisor():
    # With a covariance over n (not n - 1) the variance of a constant ratio would not vanish.
    num, den, var_num, var_den, cov, n = moments(2 * DEN, DEN)
    assert linearised_variance(num, den, var_num, var_den, cov * (n - 1) / n) > 0.1
    assert linearised_variance(num, den, var_num, var_den, cov) == 0.0
