"""Hall's transformation: its inverse, its level on skewed data, and the interval that belongs to its test."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from python_stats.lift import fieller_at, fieller_lift
from python_stats.means.hall_transformation import hall_lift, hall_quantile, hall_statistic, hall_wald
from python_stats.means.skewness import pooled_skewness, skewness_of_difference
from python_stats.wald import wald

SKEWNESS = st.floats(-1.5, 1.5)


def test_the_cubic_is_the_one_of_the_papers():
    """Zhou and Dinh (2005) write the transformation of sqrt(N) times the estimate with a = A / 3 and b = A / 6."""
    n, estimate, third = 50.0, 0.21, 1.7
    root = np.sqrt(n)
    theirs = estimate + third / 3 * estimate**2 + (third / 3) ** 2 / 3 * estimate**3 + third / 6 / n
    assert float(hall_statistic(root * estimate, third / root)) == pytest.approx(root * theirs, rel=1e-12)


@given(x=st.floats(-8, 8), skewness=SKEWNESS)
def test_the_quantile_is_the_inverse_of_the_statistic(x, skewness):
    assert float(hall_quantile(hall_statistic(x, skewness), skewness)) == pytest.approx(x, abs=1e-7)


@given(x=st.floats(-8, 8))
def test_skewness_next_to_none_keeps_every_digit(x):
    for tiny in (0.0, 1e-18, -1e-18):
        assert float(hall_quantile(x, tiny)) == pytest.approx(x, rel=1e-14, abs=1e-16)
    assert float(hall_quantile(x, 1e-9)) == pytest.approx(x - 1e-9 * (x**2 / 3 + 1 / 6), rel=1e-12, abs=1e-15)


@given(effect=st.floats(-3, 3), skewness=SKEWNESS, df=st.sampled_from([4.0, 30.0, np.inf]))
def test_without_skewness_it_is_walds_and_the_interval_belongs_to_the_test(effect, skewness, df):
    plain, own = wald(effect, 1.3, df), hall_wald(effect, 1.3, df, 0.0)
    for a, b in zip(plain, own, strict=True):
        assert float(a) == pytest.approx(float(b), rel=1e-13)
    for alternative in ("two_sided", "greater", "less"):
        found = hall_wald(effect, 1.3, df, skewness, alternative=alternative)
        for limit in (found.ci_low, found.ci_high):
            if np.isfinite(limit):
                edge = hall_wald(effect, 1.3, df, skewness, alternative=alternative, null=limit)
                assert float(edge.p_value) == pytest.approx(0.05, rel=1e-6)


@given(effect=st.floats(-3, 3), skewness=SKEWNESS, scale=st.floats(0.01, 100))
def test_scale_leaves_the_test_and_swapping_the_arms_turns_it(effect, skewness, scale):
    forth, back = hall_wald(effect, 1.0, 20.0, skewness), hall_wald(-effect, 1.0, 20.0, -skewness)
    assert float(back.p_value) == pytest.approx(float(forth.p_value), rel=1e-9)
    assert float(back.ci_low) == pytest.approx(-float(forth.ci_high), rel=1e-9)
    scaled = hall_wald(scale * effect, scale, 20.0, skewness)
    assert float(scaled.p_value) == pytest.approx(float(forth.p_value), rel=1e-9)
    assert float(scaled.ci_high) == pytest.approx(scale * float(forth.ci_high), rel=1e-9)


def test_trap_a_lopsided_split_of_skewed_values_deceives_welch_and_not_the_transformed_test():
    rng = np.random.default_rng(12)
    control, treatment = rng.lognormal(0, 1, (4_000, 900)), rng.lognormal(0, 1, (4_000, 100))
    welch = stats.ttest_ind(treatment, control, axis=1, equal_var=False)
    n = np.array([900, 100])
    parts = [(x.var(axis=1, ddof=1), stats.moment(x, 3, axis=1), x.shape[1]) for x in (control, treatment)]
    skewness = skewness_of_difference(pooled_skewness(*parts[0], *parts[1]), *n)
    se = np.sqrt(sum(part[0] / part[2] for part in parts))
    found = hall_wald(treatment.mean(axis=1) - control.mean(axis=1), se, welch.df, skewness)
    kept = np.abs(skewness) <= 0.7
    assert (welch.pvalue[kept] <= 0.05).mean() > 0.065
    assert 0.035 < (found.p_value[kept] <= 0.05).mean() < 0.06
    # Both tails are wrong by themselves, too.
    low, high = ((sign * found.statistic > stats.t.ppf(0.975, welch.df))[kept].mean() for sign in (-1, 1))
    assert low < 0.035 and high < 0.04


def test_without_skewness_the_lift_is_fiellers():
    parts = (np.array([0.5, -0.2, 0.5]), 0.2, np.array([10.0, -3.0, 0.1]), 0.14)
    for alternative in ("two_sided", "greater", "less"):
        plain = fieller_lift(*parts, df=12.0, alternative=alternative)
        own = hall_lift(*parts, 0.0, df=12.0, alternative=alternative)
        np.testing.assert_allclose(own.ci_low, plain.ci_low, rtol=1e-9)
        np.testing.assert_allclose(own.ci_high, plain.ci_high, rtol=1e-9)
        assert own.method.tolist() == plain.method.tolist()


@given(effect=st.floats(-0.9, 0.9), skewness=st.floats(-0.7, 0.7))
def test_the_lift_excludes_zero_where_the_test_rejects(effect, skewness):
    test = hall_wald(effect, 0.2, 40.0, skewness)
    lift = hall_lift(effect, 0.2, 10.0, 0.14, skewness, df=40.0)
    excluded = float(lift.ci_low) > 0 or float(lift.ci_high) < 0
    assert abs(float(test.p_value) - 0.05) < 1e-9 or excluded == (float(test.p_value) < 0.05)


def test_what_is_missing_stays_missing():
    found = hall_wald([1.0, 1.0, np.nan], [1.0, 0.0, 1.0], 10.0, [np.nan, 0.1, 0.1])
    assert np.isnan(found.p_value).all() and np.isnan(found.ci_low).all()
    lift = hall_lift([1.0, 1.0], 0.2, [10.0, 0.0], 0.1, [np.nan, 0.1])
    assert np.isnan(lift.ci_low).all() and lift.method.tolist() == ["undefined", "undefined"]


def test_a_reach_of_hundreds_of_standard_errors_is_kept():
    """One degree of freedom at a level of one percent: 63 standard errors."""
    test, lift = (
        hall_wald(1000.0, 10.0, 1.0, 0.0, alpha=0.01),
        hall_lift(1000.0, 10.0, 1e6, 1e-3, 0.0, df=1.0, alpha=0.01),
    )
    assert float(lift.ci_low) * 1e6 == pytest.approx(float(test.ci_low), rel=1e-6)


def test_a_one_sided_lift_needs_its_own_side_only():
    # The base is 2.2 standard errors from zero: bounded at a reach of 2, not at one of 2.5.
    parts = (1.0, 1.0, 2.2, 1.0)
    both = fieller_at(*parts, 2.0, 2.5)
    assert (float(both.ci_low), float(both.ci_high)) == (-np.inf, np.inf)
    greater = fieller_at(*parts, 2.0, 2.5, alternative="greater")
    assert np.isfinite(greater.ci_low) and greater.ci_high == np.inf and str(greater.method) == "fieller"
    less = fieller_at(*parts, 2.0, 2.5, alternative="less")
    assert (float(less.ci_low), float(less.ci_high)) == (-np.inf, np.inf) and str(less.method) != "fieller"
