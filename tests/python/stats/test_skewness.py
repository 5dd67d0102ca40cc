"""Skewness of values, of weighted sums of them, and of a difference of means."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import moment, skew

from python_stats.means.skewness import (
    pooled_skewness,
    skewness_of_difference,
    third_moment_of_combination,
)
from python_stats.moments import moments_of


def arm(x):
    return x.var(ddof=1), moment(x, 3), x.size


def of_difference(control, treatment):
    return float(skewness_of_difference(pooled_skewness(*arm(control), *arm(treatment)), control.size, treatment.size))


def triples(a, b):
    return [(a**3).sum(), (a**2 * b).sum(), (a * b**2).sum(), (b**3).sum()]


@pytest.fixture
def arms():
    rng = np.random.default_rng(17)
    return [rng.lognormal(0.3, 0.8, 400) * (rng.random(400) < 0.4), rng.lognormal(0.2, 1.0, 90)]


@given(weight=st.floats(-3, 3), shift=st.floats(-5, 5), scale=st.floats(0.1, 10))
def test_the_third_moment_of_a_weighted_sum_is_that_of_its_values(weight, shift, scale):
    rng = np.random.default_rng(2)
    a = shift + scale * rng.lognormal(size=80)
    b = 0.5 * a + rng.gamma(2.0, 1.0, 80)
    got = float(third_moment_of_combination(moments_of(np.stack([a, b], axis=-1)), triples(a, b), [1.0, -weight]))
    assert got == pytest.approx(moment(a - weight * b, 3), rel=1e-6, abs=1e-9 * scale**3)


def test_one_variable_alone_is_its_own_third_moment_whatever_is_missing_of_the_other(arms):
    a = arms[0]
    moments = moments_of(np.stack([a, np.full(a.size, np.nan)], axis=-1))
    got = third_moment_of_combination(moments, [(a**3).sum(), np.nan, np.nan, np.nan], [1.0, 0.0])
    assert float(got) == pytest.approx(moment(a, 3), rel=1e-9)
    assert np.isnan(third_moment_of_combination(moments, [(a**3).sum(), np.nan, np.nan, np.nan], [1.0, 0.5]))


def test_the_pooled_skewness_of_one_sample_cut_in_two_is_that_of_the_sample(arms):
    whole = np.concatenate([arms[0], arms[0]])
    assert float(pooled_skewness(*arm(arms[0]), *arm(arms[0]))) == pytest.approx(skew(whole), rel=0.01)


def test_the_skewness_of_the_difference_is_that_of_differences_drawn_from_both_arms(arms):
    rng = np.random.default_rng(5)
    arms = [arms[0], arms[0][rng.permutation(400)[:60]]]
    together = np.concatenate([x - x.mean() for x in arms])
    draws = [rng.choice(together, (100_000, x.size)).mean(axis=1) for x in arms]
    got = of_difference(*arms)
    assert got == pytest.approx(skew(draws[1] - draws[0]), abs=0.03) and got > 0.1


def test_a_small_arm_that_has_not_met_its_tail_does_not_look_normal():
    rng = np.random.default_rng(3)
    large = rng.lognormal(0, 1.2, 5000)
    small = np.sort(rng.lognormal(0, 1.2, 60))[:50]
    own = skew(small) / np.sqrt(50)
    assert of_difference(large, small) > 2 * own


def test_swapping_the_arms_turns_it_and_scale_and_shift_leave_it(arms):
    forth = of_difference(*arms)
    assert of_difference(*arms[::-1]) == pytest.approx(-forth)
    assert of_difference(*(7.0 + 3.0 * x for x in arms)) == pytest.approx(forth, rel=1e-9)


def test_equal_arms_cancel_and_lopsided_ones_do_not(arms):
    assert of_difference(arms[0], arms[0]) == 0.0
    assert float(skewness_of_difference(skew(arms[0]), 400, 40)) > 0.1


def test_lost_digits_and_missing_moments_are_unknown(arms):
    far = 1e9 + arms[0]
    both = moments_of(np.stack([far, arms[0]], axis=-1))
    assert np.isnan(third_moment_of_combination(both, triples(far, arms[0]), [1.0, 1.0]))
    assert np.isfinite(third_moment_of_combination(both, triples(far, arms[0]), [0.0, 1.0]))
    assert np.isnan(third_moment_of_combination(both, [np.inf, 0, 0, 0], [1.0, 0.0]))
    assert np.isnan(pooled_skewness(0.0, 0.0, 9, 0.0, 0.0, 9))
    assert np.isnan(pooled_skewness(1.0, np.nan, 9, 1.0, 0.0, 9))


@pytest.mark.parametrize(("level", "left"), [(3_000, 0.01), (300, 0.001), (5_000, 1e-4)])
def test_trap_what_a_covariate_leaves_of_values_far_from_zero_is_rounding_not_skewness(level, left):
    rng = np.random.default_rng(6)
    b = level + rng.normal(size=2_000)
    a = b + left * rng.normal(size=2_000)
    got = third_moment_of_combination(moments_of(np.stack([a, b], axis=-1)), triples(a, b), [1.0, -1.0])
    assert np.isnan(got) or abs(got) < 0.2 * left**3
