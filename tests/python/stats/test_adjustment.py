"""CUPED against R, tea-tasting and the unit-level calculation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from python_stats.adjustment.pre_period import cuped, cuped_ratio, linearised
from python_stats.means.welch import welch_t
from python_stats.moments import Moments, merge, merge_groups, moments_of, with_zeros

# Columns: numerator, denominator, pre-period numerator, pre-period denominator; the first ten units are control.
RATIO_UNITS = np.array(
    [
        [3, 0, 2, 5, 1, 4, 2, 6, 3, 2, 4, 1, 3, 7, 2, 5, 2, 6, 5, 1, 3],
        [5, 1, 4, 6, 3, 5, 4, 7, 3, 4, 5, 2, 4, 8, 3, 5, 3, 7, 6, 2, 4],
        [2, 0, 3, 4, 1, 4, 1, 5, 2, 2, 3, 1, 2, 6, 2, 4, 1, 5, 4, 1, 2],
        [4, 2, 5, 6, 2, 6, 3, 6, 4, 3, 4, 3, 3, 8, 4, 4, 3, 6, 5, 2, 3],
    ],
    dtype=float,
).T


def ratio_arms() -> Moments:
    return moments_of([RATIO_UNITS[:10], RATIO_UNITS[10:]])


def planted(rng: np.random.Generator, n: int, effect: float, x_mean: float = 0.0, rho: float = 0.8) -> np.ndarray:
    x = rng.normal(x_mean, 1.0, n)
    return np.column_stack([10 + effect + rho * (x - x_mean) + rng.normal(0, 0.6, n), x])


def test_cuped_single_epil(oracle_case):
    case = oracle_case("cuped_single_epil")
    t = case.table()
    arm, units = t["trt"], np.column_stack([t["y"], t["base"]])
    control, treatment = moments_of([units[arm == "placebo"], units[arm == "progabide"]])

    got = cuped(control, treatment)
    case.check("theta_pooled", got.theta)
    case.check("adj_mean_control", got.adjusted_mean_control)
    case.check("adj_mean_treatment", got.adjusted_mean_treatment)
    case.check("diff", got.comparison.effect)
    case.check("se", got.comparison.se)
    case.check("t", got.comparison.statistic)
    case.check("df", got.comparison.df)
    case.check("p", got.comparison.p_value)
    case.check("ci95", [got.comparison.ci_low, got.comparison.ci_high])
    # R's number is the squared correlation, the reduction promised for the variance of the pooled outcome; the
    # reduction reached in the variance of the effect is our variance_reduction.
    case.check("variance_reduction_corr2", got.correlation**2)
    case.check("unadjusted_diff", got.unadjusted.effect)
    case.check("unadjusted_se", got.unadjusted.se)
    case.check("unadjusted_p", got.unadjusted.p_value)
    assert got.is_adjusted
    np.testing.assert_allclose(got.variance_reduction, 1 - (6.57544835887178 / 11.7225918000382) ** 2)

    within = cuped(control, treatment, theta_from="within_arm")
    case.check("theta_within_arm", within.theta)
    case.check("diff_theta_within", within.comparison.effect)
    case.check("se_theta_within", within.comparison.se)
    # ancova_*: regression_adjustment's ancova, see test_regression_adjustment.py.


def test_ratio_cuped_is_tea_tastings():
    """tea-tasting 1.14.0, RatioOfMeans("num", "den", "pn", "pd", equal_var=False, use_t=True) on the same units."""
    got = cuped_ratio(*ratio_arms())
    np.testing.assert_allclose(got.adjusted_mean_control, 0.7044268102238002)
    np.testing.assert_allclose(got.adjusted_mean_treatment, 0.7615146809948836)
    np.testing.assert_allclose(got.comparison.effect, 0.05708787077108368)
    np.testing.assert_allclose(got.comparison.statistic, 1.058610683751887)
    np.testing.assert_allclose(got.comparison.p_value, 0.31286474439507733)
    np.testing.assert_allclose(got.comparison.ci_low, -0.06186385156102103)
    np.testing.assert_allclose(got.comparison.ci_high, 0.1760395931031884)
    np.testing.assert_allclose(got.unadjusted.effect, 0.12925170068027225)
    np.testing.assert_allclose(got.unadjusted.p_value, 0.11032939827555116)


def test_ratio_with_constant_denominators_is_the_mean():
    units = RATIO_UNITS.copy()
    units[:, [1, 3]] = 1.0
    control, treatment = moments_of([units[:10], units[10:]])
    ratio = cuped_ratio(control, treatment)
    mean = cuped(control.select([0, 2]), treatment.select([0, 2]))
    for got, wanted in zip(ratio.comparison, mean.comparison, strict=True):
        np.testing.assert_allclose(got, wanted)
    np.testing.assert_allclose(ratio.theta, mean.theta)


def test_linearised_is_the_units_own_linearisation():
    num, den, pre, _ = RATIO_UNITS.T
    ratio = num.sum() / den.sum()
    units = np.column_stack([(num - ratio * den) / den.mean(), pre])
    got = linearised(moments_of(RATIO_UNITS), [(0, 1), 2])
    np.testing.assert_allclose(got.cov, np.cov(units.T))
    np.testing.assert_allclose(got.mean, [ratio, pre.mean()])


def test_trap_covariate_centred_on_the_wrong_mean_a_planted_effect_is_recovered():
    """The covariate lives far from zero and its arm means differ by chance: the effect is still the planted one."""
    rng = np.random.default_rng(11)
    control, treatment = moments_of([planted(rng, 4000, 0.0, 500.0), planted(rng, 3000, 0.3, 500.0)])
    got = cuped(control, treatment)
    assert abs(got.comparison.effect - 0.3) < 4 * got.comparison.se
    assert got.comparison.se < 0.65 * got.unadjusted.se
    np.testing.assert_allclose(got.adjusted_mean_treatment - got.adjusted_mean_control, got.comparison.effect)
    np.testing.assert_allclose(got.adjusted_mean_control, 10, atol=0.05)


def test_trap_covariance_and_variance_have_the_same_ddof():
    """A covariate equal to the outcome plus noise-free shift has slope exactly 1, at any n."""
    units = np.array([[1.0, 4.0], [2.0, 5.0], [4.0, 7.0]])
    got = cuped(moments_of(units), moments_of(units[:2]))
    np.testing.assert_allclose(got.theta, 1.0, rtol=1e-12)


def test_perfect_fit_is_zero_variance_not_a_p_value():
    units = np.random.default_rng(12).normal(size=(30, 1)) @ np.ones((1, 2))
    got = cuped(*moments_of([units[:14], units[14:] + np.array([0.5, 0.0])]))
    assert np.isnan(cuped(*moments_of([units[:14], units[14:]])).comparison.p_value)
    # With an effect in the treatment the pooled slope is not exactly 1, so there is variance again.
    assert np.isfinite(got.unadjusted.p_value)


@pytest.mark.parametrize(
    ("name", "x"),
    [
        ("covariate does not vary", np.full(20, 0.1)),
        ("covariate is all zero", np.zeros(20)),
        ("covariate is null", np.full(20, np.nan)),
        ("theta is zero", np.tile([1.0, -1.0, -1.0, 1.0], 5)),
    ],
)
def test_trap_no_usable_covariate_falls_back_to_unadjusted_with_a_flag(name, x):
    y = np.concatenate([np.tile([1.0, 1.0, 3.0, 3.0], 3), np.tile([2.0, 2.0, 5.0, 5.0], 2)])
    units = np.column_stack([y, x])
    for theta_from in ("pooled", "within_arm"):
        got = cuped(*moments_of([units[:12], units[12:]]), theta_from=theta_from)
        assert not got.is_adjusted, name
        assert got.theta == 0
        assert got.variance_reduction == 0
        wanted = welch_t(2.0, np.var(y[:12], ddof=1), 12, 3.5, np.var(y[12:], ddof=1), 8)
        for field, value in zip(wanted._fields, wanted, strict=True):
            np.testing.assert_allclose(getattr(got.comparison, field), value, err_msg=field)
            np.testing.assert_allclose(getattr(got.unadjusted, field), value, err_msg=field)
        np.testing.assert_allclose(got.cov_effect_control, -(got.se_control**2))


def test_trap_ratio_with_a_pre_period_denominator_all_zero_falls_back():
    units = RATIO_UNITS.copy()
    units[:10, 2:] = 0.0
    got = cuped_ratio(*moments_of([units[:10], units[10:]]))
    assert not got.is_adjusted
    np.testing.assert_allclose(got.comparison.p_value, 0.11032939827555116)
    np.testing.assert_allclose(got.comparison.effect, got.unadjusted.effect)


def test_a_zero_denominator_of_the_outcome_is_nan():
    units = RATIO_UNITS.copy()
    units[10:, 1] = 0.0
    got = cuped_ratio(*moments_of([units[:10], units[10:]]))
    assert np.isnan(got.comparison.effect)
    assert np.isnan(got.comparison.p_value)
    assert np.isnan(got.theta)
    assert np.isfinite(got.mean_control)


def test_arms_that_are_constant_are_zero_variance_even_with_a_covariate():
    """All zeros against all ones: the covariate cannot lend its own variance to the outcome."""
    x = np.random.default_rng(13).normal(size=10)
    got = cuped(*moments_of([np.column_stack([np.zeros(10), x]), np.column_stack([np.ones(10), x + 1])]))
    assert not got.is_adjusted
    assert got.comparison.effect == 1
    assert np.isnan(got.comparison.p_value)
    assert np.isnan(got.variance_reduction)


@pytest.mark.parametrize("n", [0, 1])
def test_an_arm_with_fewer_than_two_units_is_nan(n):
    rng = np.random.default_rng(14)
    got = cuped(moments_of(planted(rng, n, 0.0).reshape(n, 2)), moments_of(planted(rng, 5, 0.0)))
    assert np.isnan(got.comparison.p_value)
    assert np.isnan(got.comparison.se)


def test_one_bad_cell_does_not_touch_the_others():
    rng = np.random.default_rng(15)
    control = moments_of([planted(rng, 30, 0.0), planted(rng, 1, 0.0), planted(rng, 20, 0.0) * [1, np.nan]])
    treatment = moments_of([planted(rng, 30, 0.5), planted(rng, 9, 0.0), planted(rng, 20, 0.0)])
    together = cuped(control, treatment)
    np.testing.assert_array_equal(together.is_adjusted, [True, False, False])
    np.testing.assert_array_equal(np.isfinite(together.comparison.p_value), [True, False, True])
    for i in range(3):
        alone = cuped(control[i], treatment[i])
        for field in ("theta", "variance_reduction", "cov_effect_control"):
            np.testing.assert_allclose(getattr(together, field)[i], getattr(alone, field))
        np.testing.assert_allclose(together.comparison.p_value[i], alone.comparison.p_value)


@settings(max_examples=40, deadline=None)
@given(
    shift=st.floats(-1e3, 1e3),
    scale=st.floats(0.01, 100),
    x_shift=st.floats(-1e3, 1e3),
    x_scale=st.floats(0.01, 100),
    seed=st.integers(0, 2**31),
)
def test_shift_and_scale(shift, scale, x_shift, x_scale, seed):
    rng = np.random.default_rng(seed)
    units = [planted(rng, 12, 0.0), planted(rng, 15, 0.4)]
    base = cuped(*moments_of(units))
    moved = cuped(*moments_of([u * [scale, x_scale] + [shift, x_shift] for u in units]))
    np.testing.assert_allclose(moved.comparison.effect, scale * base.comparison.effect, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(moved.comparison.se, scale * base.comparison.se, rtol=1e-6)
    np.testing.assert_allclose(moved.comparison.p_value, base.comparison.p_value, rtol=1e-5, atol=1e-12)
    np.testing.assert_allclose(moved.theta, base.theta * scale / x_scale, rtol=1e-6)
    np.testing.assert_allclose(moved.variance_reduction, base.variance_reduction, rtol=1e-6, atol=1e-8)


def test_swapping_the_arms_turns_the_sign():
    for compare, (control, treatment) in ((cuped, ratio_arms().select([0, 2])), (cuped_ratio, ratio_arms())):
        there, back = compare(control, treatment), compare(treatment, control)
        np.testing.assert_allclose(there.comparison.effect, -back.comparison.effect)
        np.testing.assert_allclose(there.comparison.p_value, back.comparison.p_value)
        np.testing.assert_allclose(there.comparison.ci_low, -back.comparison.ci_high)
        less = compare(treatment, control, alternative="less")
        np.testing.assert_allclose(
            compare(control, treatment, alternative="greater").comparison.p_value, less.comparison.p_value
        )


def test_merged_cells_and_counted_zeros_give_the_pooled_answer():
    days = np.array_split(RATIO_UNITS[:10], 4)
    control = with_zeros(merge_groups(moments_of(days), np.zeros(4, dtype=int))[0], 6)
    wanted = cuped_ratio(moments_of(np.vstack([RATIO_UNITS[:10], np.zeros((6, 4))])), ratio_arms()[1])
    got = cuped_ratio(control, ratio_arms()[1])
    np.testing.assert_allclose(got.comparison.p_value, wanted.comparison.p_value)


def test_what_the_lift_needs_is_the_covariance_over_samples():
    """Simulated covariance of the adjusted effect with the raw control mean, theta re-estimated each time."""
    rng = np.random.default_rng(16)
    x = rng.normal(size=(4000, 60))
    y = 0.8 * x + rng.normal(0, 0.6, size=x.shape)
    units = np.stack([y, x], axis=-1)
    control, treatment = moments_of(units[:, :30]), moments_of(units[:, 30:])
    got = cuped(control, treatment)
    simulated = np.cov(got.comparison.effect, got.mean_control)[0, 1]
    np.testing.assert_allclose(got.cov_effect_control.mean(), simulated, rtol=0.1)
    np.testing.assert_allclose(got.se_control**2, y[:, :30].var(axis=1, ddof=1) / 30)
    # Not the unadjusted covariance, which is three times as large.
    assert abs(simulated) < 0.5 * (got.se_control**2).mean()


def test_pooled_moments_use_one_overall_mean():
    control, treatment = ratio_arms().select([0, 2])
    pooled = merge(control, treatment)
    np.testing.assert_allclose(cuped(control, treatment).theta, pooled.cov[0, 1] / pooled.cov[1, 1])


def test_null_is_the_hypothesis_not_a_shift_of_the_effect():
    control, treatment = ratio_arms().select([0, 2])
    got = cuped(control, treatment, null=1.0)
    np.testing.assert_allclose(got.comparison.statistic, (got.comparison.effect - 1.0) / got.comparison.se)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: cuped(*ratio_arms()), "2 variables"),
        (lambda: cuped_ratio(*ratio_arms().select([0, 1])), "4 variables"),
        (lambda: cuped_ratio(*ratio_arms(), theta_from="treatment"), "theta_from"),
        (lambda: cuped_ratio(*ratio_arms(), alpha=1.0), "alpha"),
        (lambda: cuped_ratio(*ratio_arms(), alternative="both"), "alternative"),
    ],
)
def test_wrong_arguments_are_refused_in_words(call, words):
    with pytest.raises(ValueError, match=words):
        call()
