"""Repeated intervals and sequential p-values: consistent with the boundaries they come from, at every look."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import ndtr

from python_stats.sequential.group_sequential import UnknownDesignError, spending_boundaries
from python_stats.sequential.repeated_looks import repeated_looks
from python_stats.wald import AlphaError, UnknownAlternativeError, wald

T = np.array([0.15, 0.4, 0.7, 1.0])
DESIGNS = [
    ({}, "per_side"),
    ({"design": "symmetric"}, "symmetric"),
    ({"alternative": "greater", "alpha": 0.025}, "one_sided"),
    ({"alternative": "less", "spending": "pocock"}, "one_sided"),
    ({"spending": "power", "parameter": 2.0, "alpha": 0.1}, "per_side"),
    ({"spending": "hwang_shih_decani", "parameter": -4.0}, "per_side"),
]


def towards(z, options):
    alternative = options.get("alternative", "two_sided")
    return np.abs(z) if alternative == "two_sided" else z if alternative == "greater" else -z


@pytest.mark.parametrize(("options", "sided"), DESIGNS)
def test_p_is_the_level_whose_boundary_is_reached(options, sided):
    z = np.array([3.1, -1.4, 2.2, 1.9]) * (-1 if options.get("alternative") == "less" else 1)
    got = repeated_looks(z, np.ones(4), T, **options)
    spending = {key: value for key, value in options.items() if key in ("spending", "parameter")}
    reach = towards(z, options)

    def shortfall(logarithm, look):
        boundary = spending_boundaries(T, alpha=np.exp(logarithm), sided=sided, **spending).z_boundary
        return boundary[look] - reach[look]

    for look in (0, 2, 3):
        want = np.exp(brentq(shortfall, np.log(1e-9), np.log(0.9), args=(look,), xtol=1e-9))
        assert got.repeated_p_value[look] == pytest.approx(want, rel=1e-3 if want < 0.3 else 2e-2)


@pytest.mark.parametrize(("options", "sided"), DESIGNS)
def test_p_interval_and_boundary_decide_alike(options, sided):
    rng = np.random.default_rng(31)
    alpha = options.get("alpha", 0.05)
    z = rng.normal(0, 2.5, (200, 4))
    boundary = spending_boundaries(
        T, alpha=alpha, sided=sided, **{k: v for k, v in options.items() if k in ("spending", "parameter")}
    ).z_boundary
    # A third of the statistics just below, at, and just above the boundary.
    edge = rng.integers(-1, 2, (200, 4)) * 1e-9 + boundary
    sign = -1.0 if options.get("alternative") == "less" else 1.0
    z = np.where(rng.random((200, 4)) < 1 / 3, sign * edge, z)
    se = rng.uniform(0.1, 4.0, (200, 4))
    got = repeated_looks(z * se, se, T, **options)
    crosses = towards(got.statistic, options) >= got.z_boundary
    np.testing.assert_array_equal(got.repeated_p_value <= alpha, crosses)
    np.testing.assert_array_equal(got.sequential_p_value <= alpha, got.crossed)
    np.testing.assert_array_equal(got.crossed, np.logical_or.accumulate(crosses, axis=1))
    np.testing.assert_array_equal(got.first_crossed, np.where(crosses.any(1), crosses.argmax(1), -1))
    clear = np.abs(towards(got.statistic, options) - got.z_boundary) > 1e-8
    excludes = (got.sequential_ci_low > 0) | (got.sequential_ci_high < 0)
    np.testing.assert_array_equal(excludes[clear], crosses[clear])
    assert np.all(got.sequential_p_value <= 1.0)
    assert np.all(np.diff(got.sequential_p_value, axis=1) <= 0.0)


def test_p_falls_as_the_statistic_grows():
    z = np.linspace(0.0, 12.0, 400)
    for design in ("per_side", "symmetric"):
        p = repeated_looks(z[:, None] * np.ones(4), np.ones(4), T, design=design).repeated_p_value
        assert np.all(np.diff(p, axis=0) <= 0.0)
        assert np.all(p[0] == 1.0)
        assert np.all(p[-1] > 0.0)


def test_p_is_never_below_the_fixed_one_and_equals_it_at_a_single_look():
    z = np.linspace(-6, 6, 41)
    fixed = wald(z, 1.0).p_value
    looks = repeated_looks(z[:, None] * np.ones(4), np.ones(4), T)
    assert np.all(looks.repeated_p_value >= fixed[:, None] * (1 - 1e-3))
    one = repeated_looks(z[:, None], 1.0 * np.ones((41, 1)), [1.0])
    some = fixed < 0.9
    np.testing.assert_allclose(one.repeated_p_value[some, 0], fixed[some], rtol=1e-6)


def test_trap_one_sided_tests_have_one_sided_intervals():
    for alternative in ("greater", "less"):
        got = repeated_looks([0.5, 0.4], [0.2, 0.1], [0.5, 1.0], alternative=alternative)
        assert np.isinf(got.sequential_ci_high).all() == (alternative == "greater")
        assert np.isinf(got.sequential_ci_low).all() == (alternative == "less")
    # Level alpha on one side is the upper side of level 2 alpha on two.
    one = repeated_looks([0.5, 0.4], [0.2, 0.1], [0.5, 1.0], alternative="greater", alpha=0.05)
    two = repeated_looks([0.5, 0.4], [0.2, 0.1], [0.5, 1.0], alpha=0.1)
    np.testing.assert_allclose(one.sequential_ci_low, two.sequential_ci_low, rtol=1e-9)


def test_trap_sequential_and_fixed_results_have_different_names():
    fields = set(repeated_looks([0.5], [0.2], [1.0])._fields)
    assert not fields & {"p_value", "ci_low", "ci_high", "effect_ci_low", "effect_ci_high"}


def test_trap_after_the_end_the_last_interval_stands():
    got = repeated_looks([0.3, 0.25, 0.5, 0.6], [0.2, 0.14, 0.12, 0.11], [0.5, 1.0, 1.4, 1.6])
    np.testing.assert_array_equal(got.after_end, [False, False, True, True])
    np.testing.assert_array_equal(got.over_planned, [False, False, True, True])
    assert np.isnan(got.z_boundary[2:]).all()
    assert np.isnan(got.repeated_p_value[2:]).all()
    np.testing.assert_array_equal(got.sequential_ci_low[2:], got.sequential_ci_low[1])
    np.testing.assert_array_equal(got.sequential_p_value[2:], got.sequential_p_value[1])
    # z = 4.2 and 5.5 after the end are no rejection.
    assert got.first_crossed == -1
    assert not got.crossed.any()


def test_what_cannot_be_computed_is_nan_in_its_cell_only():
    effect = np.array([[0.1, 0.2], [np.nan, 0.2], [0.1, 0.2], [0.1, 0.2]])
    se = np.array([[0.1, 0.05], [0.1, 0.05], [0.0, 0.05], [0.1, 0.05]])
    t = np.array([[0.5, 1.0], [0.5, 1.0], [0.5, 1.0], [np.nan, np.nan]])
    got = repeated_looks(effect, se, t)
    for field in ("statistic", "repeated_p_value", "sequential_ci_low", "sequential_ci_high"):
        value = getattr(got, field)
        assert np.isfinite(value[0]).all(), field
        np.testing.assert_array_equal(value[1:3, 1], value[0, 1], err_msg=field)
        assert np.isnan(value[1:3, 0]).all(), field
    assert np.isnan(got.sequential_p_value[3]).all()
    assert np.isfinite(got.z_boundary[1:3]).all()
    np.testing.assert_array_equal(got.first_crossed, [1, 1, 1, -1])
    assert repeated_looks(np.empty((0, 3)), np.empty((0, 3)), np.empty((0, 3))).crossed.shape == (0, 3)


def test_p_far_out_does_not_underflow():
    got = repeated_looks([12.0, 30.0], [1.0, 1.0], [0.5, 1.0])
    assert 0.0 < got.repeated_p_value[1] < 1e-190
    assert got.repeated_p_value[1] >= 2 * ndtr(-30.0) * (1 - 1e-9)


def test_null_shift_and_scale():
    effect, se = np.array([0.4, 0.35, 0.3]), np.array([0.2, 0.12, 0.1])
    t = [0.3, 0.7, 1.0]
    base = repeated_looks(effect, se, t)
    moved = repeated_looks((effect + 5.0) * 1000.0, se * 1000.0, t, null=5000.0)
    np.testing.assert_allclose(moved.sequential_p_value, base.sequential_p_value, rtol=1e-6)
    np.testing.assert_allclose(moved.sequential_ci_low, (base.sequential_ci_low + 5.0) * 1000.0, rtol=1e-9)
    swapped = repeated_looks(-effect, se, t)
    np.testing.assert_allclose(swapped.sequential_ci_low, -base.sequential_ci_high, rtol=1e-12)
    np.testing.assert_array_equal(swapped.sequential_p_value, base.sequential_p_value)


def test_cells_together_are_cells_alone():
    rng = np.random.default_rng(12)
    count = 40
    t = np.sort(rng.uniform(0.05, 1.2, (count, 5)), axis=1)
    t[rng.random(t.shape) < 0.2] = np.nan
    t[10:20] = t[10]
    effect, se = rng.normal(0, 1, t.shape), rng.uniform(0.2, 0.8, t.shape)
    columns = {
        "alpha": rng.choice([0.01, 0.05, 0.2], count),
        "alternative": rng.choice(["two_sided", "greater", "less"], count),
        "spending": rng.choice(["obrien_fleming", "pocock", "hwang_shih_decani"], count),
        "parameter": np.full(count, -2.0),
        "design": rng.choice(["per_side", "symmetric"], count),
    }
    together = repeated_looks(effect, se, t, **columns)
    for row in range(count):
        alone = repeated_looks(effect[row], se[row], t[row], **{key: value[row] for key, value in columns.items()})
        for field in together._fields:
            np.testing.assert_array_equal(getattr(alone, field), getattr(together, field)[row], err_msg=field)


@pytest.mark.parametrize(("options", "sided"), DESIGNS)
def test_a_small_statistic_is_the_same_beside_a_large_one_of_its_design(options, sided):
    z = np.array([0.1, 0.4, 2.2, 9.0])[:, np.newaxis] * np.ones(4)
    z = -z if options.get("alternative") == "less" else z
    together = repeated_looks(z, np.ones(4), T, **options).repeated_p_value
    for row in range(4):
        np.testing.assert_array_equal(repeated_looks(z[row], np.ones(4), T, **options).repeated_p_value, together[row])


@pytest.mark.parametrize("alternative", ["two_sided", "greater", "less"])
def test_p_of_a_single_look_is_the_fixed_one_up_to_1(alternative):
    """A grid of levels that ended above alpha gave .6916 for z = .1."""
    z = np.linspace(-2.9, 2.9, 59)
    fixed = wald(z, 1.0, alternative=alternative).p_value
    got = [float(repeated_looks([x], [1.0], [1.0], alternative=alternative).sequential_p_value[0]) for x in z]
    # Below the boundary of the lowest level (p = .992, one-sided .9987) p is 1.
    np.testing.assert_allclose(got, np.where(fixed > 0.99, got, fixed), rtol=1e-5)
    assert np.all(np.array(got) >= fixed * (1 - 1e-5))
    assert got[list(z.round(6)).index(0.1)] == pytest.approx(0.9203, abs=1e-4) or alternative != "two_sided"


@pytest.mark.parametrize(("options", "sided"), DESIGNS)
def test_p_above_a_third_is_the_level_whose_boundary_is_reached(options, sided):
    spending = {key: value for key, value in options.items() if key in ("spending", "parameter")}
    wanted = np.array([0.35, 0.5, 0.7, 0.9, 0.97])
    boundary = spending_boundaries(np.tile(T, (5, 1)), alpha=wanted, sided=sided, **spending).z_boundary
    sign = -1.0 if options.get("alternative") == "less" else 1.0
    for level, z in zip(wanted, boundary, strict=True):
        # A hair above the boundary of the level: the smallest level that rejects is just below it.
        alone = repeated_looks(sign * (z + 1e-9), np.ones(4), T, **options).repeated_p_value
        np.testing.assert_allclose(alone, level, rtol=2e-3)


def test_wrong_arguments_are_refused_in_words():
    with pytest.raises(UnknownDesignError, match="one_sided"):
        repeated_looks([0.1], [0.1], [1.0], design="one_sided")
    with pytest.raises(ValueError, match="axis of looks"):
        repeated_looks(0.1, 0.1, 1.0)
    with pytest.raises(AlphaError):
        repeated_looks([0.1], [0.1], [1.0], alpha=2.0)
    with pytest.raises(UnknownAlternativeError):
        repeated_looks([0.1], [0.1], [1.0], alternative="up")
