"""Relative lift: three intervals against epitools and closed forms, and the sign of it in every corner."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from python_stats.lift import fieller_lift, lift_interval, linear_delta_lift, log_delta_lift
from python_stats.rates.proportions import two_proportion_z
from python_stats.wald import ALTERNATIVES, wald

LIFTS = [linear_delta_lift, log_delta_lift, fieller_lift]
Z = 1.959963984540054


def arms(mean_control, se_control, mean_treatment, se_treatment):
    """Two independent arms in the functions' terms."""
    return mean_treatment - mean_control, np.hypot(se_control, se_treatment), mean_control, se_control


def test_conversion_oracle(oracle_case):
    # The Koopman and Miettinen-Nurminen keys of this case are in test_proportion_score.py.
    case = oracle_case("lift_binary_ci")
    (x_c, n_c), (x_t, n_t) = case.inputs["control"], case.inputs["treat"]
    test, rate = two_proportion_z(x_c, n_c, x_t, n_t), x_c / n_c
    cell = test.effect, test.se, rate, np.sqrt(rate * (1 - rate) / n_c)
    katz, linear, fieller = log_delta_lift(*cell), linear_delta_lift(*cell), fieller_lift(*cell)
    case.check("lift", katz.lift)
    case.check("rr", katz.lift + 1.0)
    case.check("katz_lift_ci95", [katz.ci_low, katz.ci_high])
    case.check("linear_delta_lift_se", linear.se)
    case.check("linear_delta_lift_ci95", [linear.ci_low, linear.ci_high])
    case.check("fieller_z_lift_ci95", [fieller.ci_low, fieller.ci_high])


def test_katz_by_hand():
    # 40 of 400 against 55 of 410; epitools::riskratio.wald prints .5081 to 1.0937.
    test, rate = two_proportion_z(55, 410, 40, 400), 55 / 410
    lift = log_delta_lift(test.effect, test.se, rate, np.sqrt(rate * (1 - rate) / 410))
    se_log = np.sqrt(1 / 40 - 1 / 400 + 1 / 55 - 1 / 410)
    ratio = (40 / 400) / (55 / 410)
    np.testing.assert_allclose(lift.ci_low, ratio * np.exp(-Z * se_log) - 1, rtol=1e-12)
    np.testing.assert_allclose(lift.ci_high, ratio * np.exp(Z * se_log) - 1, rtol=1e-12)


@pytest.mark.parametrize("function", LIFTS)
@settings(deadline=None)
@given(
    mean_control=st.floats(-10, 10).filter(lambda x: abs(x) > 1e-3),
    # Half of the smallest subnormal number is zero, and that is no sign flipped.
    effect=st.floats(-20, 20, allow_subnormal=False),
    se=st.floats(0.01, 2),
    se_control=st.floats(0.0, 2),
)
def test_trap_sign_of_the_lift_is_the_sign_of_the_effect(function, mean_control, effect, se, se_control):
    result = function(effect, np.hypot(se, se_control), mean_control, se_control)
    assert np.sign(result.lift) == np.sign(effect)
    if not np.isnan(result.ci_low):
        assert result.ci_low <= result.lift <= result.ci_high


@pytest.mark.parametrize("function", LIFTS)
def test_trap_negative_control_mean_mirrors_the_sign_of_the_metric(function):
    # Losses falling from 10 to 8 are a lift of 20 % when the metric is written as a negative number.
    negative = function(*arms(-10.0, 0.5, -8.0, 0.6))
    positive = function(*arms(10.0, 0.5, 8.0, 0.6))
    np.testing.assert_allclose(negative.lift, 0.2)
    np.testing.assert_allclose([negative.ci_low, negative.ci_high], [-positive.ci_high, -positive.ci_low], rtol=1e-12)
    np.testing.assert_allclose(negative.se, positive.se)
    assert negative.method == positive.method


@pytest.mark.parametrize("alternative", ALTERNATIVES)
@pytest.mark.parametrize("function", LIFTS)
def test_unit_of_the_metric_does_not_matter(function, alternative):
    base = function(*arms(10.0, 0.5, 11.0, 0.6), alternative=alternative)
    cents = function(*(100 * x for x in arms(10.0, 0.5, 11.0, 0.6)), alternative=alternative)
    for got, want in zip(cents[:4], base[:4], strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12)


def test_log_and_fieller_invert_when_the_arms_are_swapped():
    there_c, there_t = (10.0, 0.5), (11.0, 0.6)
    for function in (log_delta_lift, fieller_lift):
        there, back = function(*arms(*there_c, *there_t)), function(*arms(*there_t, *there_c))
        np.testing.assert_allclose(1 + back.ci_low, 1 / (1 + there.ci_high), rtol=1e-10)
        np.testing.assert_allclose(1 + back.ci_high, 1 / (1 + there.ci_low), rtol=1e-10)


def test_linear_variance_is_the_textbook_one_for_independent_arms():
    m_c, s_c, m_t, s_t = 10.0, 0.5, 11.0, 0.6
    want = np.sqrt(s_t**2 / m_c**2 + m_t**2 * s_c**2 / m_c**4)
    for function in LIFTS:
        np.testing.assert_allclose(function(*arms(m_c, s_c, m_t, s_t)).se, want, rtol=1e-12)


def test_fieller_limits_are_where_the_effect_is_just_insignificant():
    m_c, s_c, m_t, s_t = 10.0, 1.5, 11.0, 2.6
    for limit in fieller_lift(*arms(m_c, s_c, m_t, s_t))[2:4]:
        ratio = 1 + limit
        np.testing.assert_allclose(abs(m_t - ratio * m_c) / np.sqrt(s_t**2 + ratio**2 * s_c**2), Z, rtol=1e-10)


def test_fieller_excludes_zero_exactly_when_the_effect_is_significant():
    rng = np.random.default_rng(29)
    m_c, m_t = rng.normal(5, 3, (2, 500))
    s_c, s_t = rng.uniform(0.1, 2, (2, 500))
    effect, se, *_ = arms(m_c, s_c, m_t, s_t)
    result = fieller_lift(*arms(m_c, s_c, m_t, s_t))
    bounded = result.method == "fieller"
    np.testing.assert_array_equal(bounded, np.abs(m_c) > Z * s_c)
    outside = (result.ci_low > 0) | (result.ci_high < 0)
    np.testing.assert_array_equal(outside[bounded], (np.abs(effect) > Z * se)[bounded])


def test_fieller_says_when_the_data_do_not_bound_the_lift():
    result = fieller_lift(*arms(np.array([10.0, 1.0, 1.0]), 1.0, np.array([12.0, 30.0, 1.5]), 1.0))
    assert result.method.tolist() == ["fieller", "fieller_exclusive", "fieller_unbounded"]
    assert result.ci_low.tolist()[1:] == [-np.inf, -np.inf]
    assert result.ci_high.tolist()[1:] == [np.inf, np.inf]
    assert np.isfinite(result.ci_low[0])
    np.testing.assert_allclose(result.lift, [0.2, 29.0, 0.5])


def test_log_scale_falls_back_where_it_does_not_exist_and_says_so():
    cell = arms(np.array([10.0, 10.0, -10.0, 10.0]), 1.0, np.array([12.0, -2.0, 2.0, 0.0]), 1.0)
    result, linear = log_delta_lift(*cell), linear_delta_lift(*cell)
    assert result.method.tolist() == ["log_delta", "linear_delta", "linear_delta", "linear_delta"]
    np.testing.assert_array_equal(result.ci_low[1:], linear.ci_low[1:])
    np.testing.assert_array_equal(result.ci_high[1:], linear.ci_high[1:])
    assert result.ci_low[0] != linear.ci_low[0]


def test_log_interval_never_falls_below_minus_one_for_a_positive_metric():
    assert linear_delta_lift(*arms(10.0, 4.0, 1.0, 0.9)).ci_low < -1.0
    assert log_delta_lift(*arms(10.0, 4.0, 1.0, 0.9)).ci_low > -1.0


def test_intervals_agree_when_the_control_mean_is_precise():
    limits = [function(*arms(1000.0, 0.1, 1001.0, 0.1))[2:4] for function in LIFTS]
    np.testing.assert_allclose(limits[1], limits[0], rtol=2e-3)
    np.testing.assert_allclose(limits[2], limits[0], rtol=2e-3)


@pytest.mark.parametrize("mean_control", [10.0, -10.0])
@pytest.mark.parametrize("function", LIFTS)
def test_trap_one_sided_lift_has_one_limit(function, mean_control):
    cell = (1.0, 0.7, mean_control, 0.5)
    both = function(*cell, alpha=0.1)
    greater, less = function(*cell, alternative="greater"), function(*cell, alternative="less")
    np.testing.assert_allclose([greater.ci_low, greater.ci_high], [both.ci_low, np.inf])
    np.testing.assert_allclose([less.ci_low, less.ci_high], [-np.inf, both.ci_high])


@pytest.mark.parametrize("function", LIFTS)
def test_trap_zero_control_mean_is_missing_and_stops_nobody(function):
    result = function([1.0, 1.0, 1.0], 0.5, [0.0, np.nan, 10.0], 0.2)
    assert np.isnan(result.lift).tolist() == [True, True, False]
    assert np.isnan(result.ci_low).tolist() == [True, True, False]
    assert result.method.tolist()[:2] == ["undefined", "undefined"]


@pytest.mark.parametrize(("se", "se_control"), [(0.0, 0.2), (np.nan, 0.2), (0.5, np.nan), (0.5, -0.2)])
@pytest.mark.parametrize("function", LIFTS)
def test_a_missing_standard_error_keeps_the_lift(function, se, se_control):
    for alternative in ALTERNATIVES:
        result = function(1.0, se, 10.0, se_control, alternative=alternative)
        assert result.lift == 0.1
        assert np.isnan([result.se, result.ci_low, result.ci_high]).all()
        assert result.method == "undefined"


def test_trap_cuped_lift_divides_by_the_raw_control_mean():
    # One cell with an adjusted effect: the base is the raw mean of control, not an adjusted one.
    rng = np.random.default_rng(31)
    x = rng.normal(50, 10, 400)
    y = 0.9 * x + rng.normal(0, 3, 400)
    treated = np.arange(400) % 2 == 1
    y[treated] += 2.0
    raw = y[~treated].mean()
    theta = np.cov(x, y)[0, 1] / x.var(ddof=1)
    adjusted = y - theta * x
    effect = adjusted[treated].mean() - adjusted[~treated].mean()
    se = np.sqrt(adjusted[treated].var(ddof=1) / 200 + adjusted[~treated].var(ddof=1) / 200)
    cov = -np.cov(adjusted[~treated], y[~treated])[0, 1] / 200
    se_raw = y[~treated].std(ddof=1) / np.sqrt(200)
    result = linear_delta_lift(effect, se, raw, se_raw, cov_effect_control=cov)
    assert result.lift == effect / raw
    # By hand: the lift is linearised in the two means of the control units' (adjusted, raw) pairs.
    unit = -adjusted[~treated] / raw - effect / raw**2 * y[~treated]
    want = np.sqrt(unit.var(ddof=1) / 200 + adjusted[treated].var(ddof=1) / 200 / raw**2)
    np.testing.assert_allclose(result.se, want, rtol=1e-12)
    logarithmic = log_delta_lift(effect, se, raw, se_raw, cov_effect_control=cov)
    np.testing.assert_allclose(
        np.log1p(logarithmic.ci_high) - np.log1p(logarithmic.lift), Z * want / (1 + effect / raw)
    )


def test_covariance_turns_with_a_negative_control_mean():
    # Multiplying the metric by -1 leaves the covariance of effect and control mean as it is.
    for function in LIFTS:
        there = function(1.0, 0.7, 10.0, 0.5, cov_effect_control=-0.1)
        back = function(-1.0, 0.7, -10.0, 0.5, cov_effect_control=-0.1)
        np.testing.assert_allclose([back.ci_low, back.ci_high], [-there.ci_high, -there.ci_low], rtol=1e-12)


@pytest.mark.parametrize("function", LIFTS)
def test_vectorised_is_one_cell_at_a_time(function):
    rng = np.random.default_rng(37)
    effect, base = rng.normal(size=(2, 40))
    se, se_control = rng.uniform(0.3, 1, 40), rng.uniform(0, 0.3, 40)
    df, side = rng.choice([4.0, 30.0, np.inf], 40), rng.choice(ALTERNATIVES, 40)
    together = function(effect, se, base, se_control, df=df, alternative=side)
    for i in range(40):
        alone = function(effect[i], se[i], base[i], se_control[i], df=df[i], alternative=side[i])
        for whole, single in zip(together, alone, strict=True):
            np.testing.assert_array_equal(whole[i], single)


def test_t_reference_is_wider():
    normal, student = (linear_delta_lift(1.0, 0.7, 10.0, 0.5, df=df) for df in (np.inf, 5))
    np.testing.assert_allclose((student.ci_high - 0.1) / (normal.ci_high - 0.1), 2.570581835636314 / Z, rtol=1e-12)


def test_wrong_arguments_are_refused():
    for function in LIFTS:
        with pytest.raises(ValueError, match="alternative"):
            function(1, 1, 1, 1, alternative="both")
        with pytest.raises(ValueError, match="alpha"):
            function(1, 1, 1, 1, alpha=2)


def test_the_interval_near_a_zero_base_is_fiellers_and_the_log_scale_elsewhere():
    effect, se, mean, se_mean = np.array([0.5, 0.5, 0.5, -20.0]), 0.2, np.array([10.0, 0.6, 0.1, 10.0]), 0.14
    found = lift_interval(effect, se, mean, se_mean)
    assert found.method.tolist() == ["log_delta", "fieller", "fieller_exclusive", "fieller"]
    log, fieller = log_delta_lift(effect, se, mean, se_mean), fieller_lift(effect, se, mean, se_mean)
    assert found.ci_low[0] == log.ci_low[0] and found.ci_high[1] == fieller.ci_high[1]
    assert found.ci_low[2] == -np.inf and found.ci_high[2] == np.inf


def test_fieller_never_disagrees_with_the_test_of_the_effect():
    rng = np.random.default_rng(9)
    effect, mean = rng.normal(0, 0.6, 2000), rng.normal(3, 1, 2000)
    test = wald(effect, 0.3, 12.0)
    lift = lift_interval(effect, 0.3, mean, 0.2, df=12.0, method="fieller")
    excludes_zero = (lift.ci_low > 0) | (lift.ci_high < 0)
    bounded = lift.method == "fieller"
    assert bounded.mean() > 0.9 and 0.1 < excludes_zero.mean() < 0.9
    np.testing.assert_array_equal(excludes_zero[bounded], (test.p_value < 0.05)[bounded])


def test_an_unknown_lift_method_is_refused():
    with pytest.raises(ValueError, match="log_delta, fieller"):
        lift_interval(1.0, 0.1, 10.0, 0.1, method="katz")


@pytest.mark.parametrize("function", [log_delta_lift, linear_delta_lift, fieller_lift, lift_interval])
def test_a_lift_of_minus_one_without_variance_is_undefined(function):
    """No unit of treatment did anything: the lift is known, its error is not."""
    got = function(-10.0, 0.14, 10.0, 0.14)
    assert float(got.lift) == -1.0
    assert str(got.method) == "undefined"
    assert np.isnan(got.se) and np.isnan(got.ci_low) and np.isnan(got.ci_high)
    # With values on either side of zero treatment has a variance, and the lift an interval.
    some = function(-10.0, 0.2, 10.0, 0.14)
    assert some.ci_low < -1.0 < some.ci_high


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("function", [log_delta_lift, linear_delta_lift, fieller_lift, lift_interval])
def test_an_infinite_number_gives_no_interval(function, place):
    numbers = [0.5, 0.2, 10.0, 0.14]
    numbers[place] = np.inf
    got = function(*numbers)
    assert np.isnan(got.ci_low) and np.isnan(got.ci_high)
    assert str(got.method) == "undefined"
