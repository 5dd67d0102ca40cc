"""Skewness of a difference of means."""

import numpy as np
import pytest
from scipy.stats import moment, skew

from python_stats.skewness import skewness_of_difference, third_central_moment


def parts(x):
    return x.mean(), x.var(ddof=1), x.size, (x**3).sum()


@pytest.fixture
def arms():
    rng = np.random.default_rng(17)
    return [rng.lognormal(0.3, 0.8, 400) * (rng.random(400) < 0.4), rng.lognormal(0.2, 1.0, 90)]


def test_the_third_moment_is_scipys(arms):
    for x in arms:
        assert float(third_central_moment(*parts(x))) == pytest.approx(moment(x, 3), rel=1e-9)


def test_the_skewness_of_the_difference_is_that_of_differences_drawn_from_both_arms(arms):
    rng = np.random.default_rng(5)
    arms = [arms[0], arms[0][rng.permutation(400)[:60]]]
    together = np.concatenate([x - x.mean() for x in arms])
    draws = [rng.choice(together, (100_000, x.size)).mean(axis=1) for x in arms]
    got = float(skewness_of_difference(*parts(arms[0]), *parts(arms[1])))
    assert got == pytest.approx(skew(draws[1] - draws[0]), abs=0.03) and got > 0.1


def test_a_small_arm_that_has_not_met_its_tail_does_not_look_normal():
    rng = np.random.default_rng(3)
    large = rng.lognormal(0, 1.2, 5000)
    small = np.sort(rng.lognormal(0, 1.2, 60))[:50]
    own = skew(small) / np.sqrt(50)
    assert float(skewness_of_difference(*parts(large), *parts(small))) > 2 * own


def test_swapping_the_arms_turns_it_and_scale_and_shift_leave_it(arms):
    forth = float(skewness_of_difference(*parts(arms[0]), *parts(arms[1])))
    assert float(skewness_of_difference(*parts(arms[1]), *parts(arms[0]))) == pytest.approx(-forth)
    moved = [parts(7.0 + 3.0 * x) for x in arms]
    assert float(skewness_of_difference(*moved[0], *moved[1])) == pytest.approx(forth, rel=1e-9)


def test_equal_arms_cancel_and_lopsided_ones_do_not(arms):
    own = parts(arms[0])
    assert float(skewness_of_difference(*own, *own)) == 0.0
    tenth = (*own[:2], own[2] / 10, own[3] / 10)
    assert float(skewness_of_difference(*own, *tenth)) > 0.1


def test_lost_digits_and_missing_moments_are_unknown(arms):
    far = parts(1e9 + arms[0])
    assert np.isnan(third_central_moment(*far)) and np.isnan(skewness_of_difference(*far, *parts(arms[1])))
    assert np.isnan(third_central_moment(1.0, 1.0, 0, 0.0)) and np.isnan(third_central_moment(1.0, 1.0, 9, np.inf))
    assert np.isnan(skewness_of_difference(1.0, 0.0, 9, 9.0, 1.0, 0.0, 9, 9.0))
