"""Rank tests: reference case, enumeration, SciPy, invariances and cells without an answer."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import brunnermunzel, mannwhitneyu, rankdata

from python_stats.means.ranks import (
    EXACT_LIMIT,
    brunner_munzel,
    mann_whitney,
    mann_whitney_conditional,
    rank_sums_with_zeros,
)

# Hollander & Wolfe (1973), p. 69: permeability constants; R's ?wilcox.test prints W = 35, p = 0.1272.
X = np.array([0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46])
Y = np.array([1.15, 0.88, 0.90, 0.74, 1.21])


def rank_sums(control, treatment):
    """Return what SQL computes: rank sum of the treatment, sizes, tie term."""
    ranks = rankdata(np.concatenate([control, treatment]))
    ties = np.unique(np.concatenate([control, treatment]), return_counts=True)[1].astype(float)
    return ranks[len(control) :].sum(), len(control), len(treatment), (ties**3 - ties).sum()


def value_counts(control, treatment):
    values = np.unique(np.concatenate([control, treatment]))
    return [(arm[:, None] == values).sum(axis=0) for arm in (control, treatment)]


def placements(control, treatment):
    ranks = rankdata(np.concatenate([control, treatment]))
    place_c = (ranks[: len(control)] - rankdata(control)) / len(treatment)
    place_t = (ranks[len(control) :] - rankdata(treatment)) / len(control)
    return place_c.var(ddof=1), len(control), place_t.var(ddof=1), len(treatment)


def test_airquality_and_hollander_wolfe_match_r(oracle_case):
    # hodges_lehmann_shift is not ours: it needs the units' values, which never leave the warehouse.
    case = oracle_case("mann_whitney")
    data = case.table()
    ozone = np.array([float(x) if x else np.nan for x in data["Ozone"]])
    may, august = (ozone[(data["Month"] == month) & ~np.isnan(ozone)] for month in (5, 8))
    assert (may.size, august.size) == (case.inputs["n_may"], case.inputs["n_aug"])
    sums = rank_sums(august, may)
    corrected, plain = (mann_whitney(*sums, continuity=continuity) for continuity in (True, False))
    case.check("W", corrected.u)
    case.check("prob_superiority_may", corrected.superiority)
    case.check("p_cc", corrected.p_value)
    case.check("p_no_cc", plain.p_value)
    case.check("p_exact_ties_coin", mann_whitney_conditional(*value_counts(august, may)).p_value)
    small = [np.array(case.inputs[name]) for name in ("small_y", "small_x")]
    greater, both = (mann_whitney(*rank_sums(*small), alternative=side) for side in ("greater", "two_sided"))
    case.check("small_W", greater.u)
    case.check("small_p_greater_exact", greater.p_value)
    case.check("small_p_two_sided_exact", both.p_value)


def test_hollander_wolfe_without_the_collection():
    got = mann_whitney(*rank_sums(Y, X), alternative="greater")
    assert float(got.u) == 35.0
    assert float(got.p_value) == pytest.approx(0.127206127206127, rel=1e-12)
    assert got.is_exact


@pytest.mark.parametrize("sizes", [(1, 1), (1, 7), (4, 6), (12, 9), (30, 30)])
def test_exact_p_matches_scipy(sizes):
    rng = np.random.default_rng(sum(sizes))
    for shift in (-1.0, 0.0, 0.5):
        control, treatment = rng.normal(size=sizes[0]), rng.normal(size=sizes[1]) + shift
        for ours, theirs in (("two_sided", "two-sided"), ("greater", "greater"), ("less", "less")):
            got = mann_whitney(*rank_sums(control, treatment), method="exact", alternative=ours)
            want = mannwhitneyu(treatment, control, method="exact", alternative=theirs)
            assert float(got.u) == want.statistic
            assert float(got.p_value) == pytest.approx(want.pvalue, rel=1e-9)


@pytest.mark.parametrize("continuity", [True, False])
def test_asymptotic_p_matches_scipy_with_ties(continuity):
    rng = np.random.default_rng(1)
    for sizes in ((8, 5), (40, 90), (300, 20)):
        control, treatment = rng.poisson(1.0, sizes[0]), rng.poisson(1.6, sizes[1])
        for ours, theirs in (("two_sided", "two-sided"), ("greater", "greater"), ("less", "less")):
            got = mann_whitney(
                *rank_sums(control, treatment), method="asymptotic", continuity=continuity, alternative=ours
            )
            want = mannwhitneyu(treatment, control, method="asymptotic", use_continuity=continuity, alternative=theirs)
            assert float(got.p_value) == pytest.approx(min(want.pvalue, 1.0), rel=1e-9)


def test_auto_is_exact_only_where_that_is_right():
    control, treatment = np.arange(10.0), np.arange(10.0) + 0.5
    assert mann_whitney(*rank_sums(control, treatment)).is_exact
    assert not mann_whitney(*rank_sums(control, np.floor(treatment))).is_exact
    large = np.arange(EXACT_LIMIT + 1.0)
    got = mann_whitney(*rank_sums(large, large + 0.5))
    assert not got.is_exact
    assert np.isfinite(got.p_value)
    assert np.isnan(mann_whitney(*rank_sums(large, large + 0.5), method="exact").p_value)


def test_trap_exact_distribution_with_ties_is_conditional_not_the_untied_table():
    rng = np.random.default_rng(2)
    control, treatment = rng.poisson(1.0, 7), rng.poisson(2.0, 6)
    pooled = np.concatenate([control, treatment])
    ranks = rankdata(pooled)
    sums = np.array([ranks[list(chosen)].sum() for chosen in combinations(range(13), 6)])
    seen, centre = ranks[7:].sum(), 6 * 14 / 2
    for alternative, extreme in (
        ("two_sided", np.abs(sums - centre) >= abs(seen - centre)),
        ("greater", sums >= seen),
        ("less", sums <= seen),
    ):
        got = mann_whitney_conditional(*value_counts(control, treatment), alternative=alternative)
        assert float(got.p_value) == pytest.approx(extreme.mean(), rel=1e-12)
    assert np.isnan(mann_whitney(*rank_sums(control, treatment), method="exact").p_value)


@settings(max_examples=30, deadline=None)
@given(
    control=st.lists(st.integers(0, 60), min_size=1, max_size=9, unique=True),
    treatment=st.lists(st.integers(61, 120), min_size=1, max_size=9, unique=True),
    seed=st.integers(0, 1000),
)
def test_conditional_without_ties_is_the_exact_test(control, treatment, seed):
    pooled = np.random.default_rng(seed).permutation(np.array(control + treatment, dtype=float))
    control, treatment = pooled[: len(control)], pooled[len(control) :]
    for alternative in ("two_sided", "greater", "less"):
        got = mann_whitney_conditional(*value_counts(control, treatment), alternative=alternative)
        want = mann_whitney(*rank_sums(control, treatment), method="exact", alternative=alternative)
        assert float(got.u) == float(want.u)
        assert float(got.p_value) == pytest.approx(float(want.p_value), rel=1e-9)


def test_p_does_not_underflow_or_exceed_one():
    # Complete separation of 900 and 900 units is 36.7 standard deviations out.
    got = mann_whitney([900 * 901 / 2, 900 * 900 + 900 * 901 / 2], 900, 900)
    assert (got.p_value > 0.0).all()
    assert (got.p_value < 1e-290).all()
    even = mann_whitney([10.5, 5.0 * 21 / 2], [3, 10], [3, 10], [0.0, 0.0], method="asymptotic")
    assert float(even.p_value[0]) == 1.0


def test_swapping_the_arms_mirrors_everything():
    rng = np.random.default_rng(3)
    control, treatment = rng.poisson(2.0, 35), rng.poisson(2.5, 50)
    forth, back = mann_whitney(*rank_sums(control, treatment)), mann_whitney(*rank_sums(treatment, control))
    assert float(forth.superiority) == pytest.approx(1.0 - float(back.superiority))
    assert float(forth.p_value) == pytest.approx(float(back.p_value), rel=1e-12)
    up = mann_whitney(*rank_sums(control, treatment), alternative="greater")
    down = mann_whitney(*rank_sums(treatment, control), alternative="less")
    assert float(up.p_value) == pytest.approx(float(down.p_value), rel=1e-12)
    counts = value_counts(control[:9], treatment[:12])
    forth = mann_whitney_conditional(*counts, alternative="greater")
    back = mann_whitney_conditional(*counts[::-1], alternative="less")
    assert float(forth.p_value) == pytest.approx(float(back.p_value), rel=1e-12)


def test_monotone_transforms_do_not_matter_and_direction_is_treatment_against_control():
    control, treatment = np.arange(20.0), np.arange(20.0) + 3.3
    plain, log = (mann_whitney(*rank_sums(f(control), f(treatment))) for f in (lambda x: x, lambda x: np.log1p(x) - 50))
    assert plain == log
    assert plain.superiority > 0.5
    assert mann_whitney(*rank_sums(control, treatment), alternative="greater").p_value < 0.5


def test_zeros_are_merged_in_closed_form():
    rng = np.random.default_rng(4)
    for negative in (False, True):
        control, treatment = (
            rng.integers(-3 if negative else 0, 6, size) * (rng.random(size) < 0.4) for size in (80, 60)
        )
        kept = [arm[arm != 0] for arm in (control, treatment)]
        rank_sum, n_control, n_treatment, ties = rank_sums(*kept)
        got = rank_sums_with_zeros(
            rank_sum,
            ties,
            n_control,
            n_treatment,
            (control == 0).sum(),
            (treatment == 0).sum(),
            n_negative_treatment=(treatment < 0).sum(),
            n_negative=(control < 0).sum() + (treatment < 0).sum(),
        )
        np.testing.assert_allclose(tuple(got), rank_sums(control, treatment), rtol=1e-12)


def test_brunner_munzel_matches_scipy():
    rng = np.random.default_rng(5)
    for sizes in ((12, 15), (60, 200)):
        control, treatment = rng.normal(size=sizes[0]).round(1), 2 * rng.normal(size=sizes[1]).round(1) + 0.4
        superiority = mann_whitney(*rank_sums(control, treatment)).superiority
        for ours, theirs in (("two_sided", "two-sided"), ("greater", "greater"), ("less", "less")):
            got = brunner_munzel(superiority, *placements(control, treatment), alternative=ours)
            want = brunnermunzel(treatment, control, alternative=theirs)
            assert float(got.p_value) == pytest.approx(want.pvalue, rel=1e-9)
            assert abs(float(got.statistic)) == pytest.approx(abs(want.statistic), rel=1e-9)
        assert 0.0 <= got.ci_low < superiority < got.ci_high <= 1.0


def test_brunner_munzel_interval_stays_within_0_and_1():
    got = brunner_munzel(0.98, [0.2, 0.2, 0.0], 5, [0.1, 0.1, 0.0], 5, alternative=["two_sided", "greater", "less"])
    assert float(got.ci_high[0]) == 1.0
    assert float(got.ci_high[1]) == 1.0
    assert np.isnan([got.p_value[2], got.ci_low[2], got.ci_high[2]]).all()


def test_trap_all_units_tied_has_no_p_value():
    for n in (5, 100, 10**6):
        got = mann_whitney(n * (2 * n + 1) / 2, n, n, (2.0 * n) ** 3 - 2 * n)
        assert float(got.superiority) == 0.5
        assert np.isnan([got.statistic, got.p_value]).all()
    same = mann_whitney_conditional([4], [5])
    assert np.isnan(same.p_value)
    assert not same.is_exact


def test_bad_cells_are_nan_and_the_others_are_not_touched():
    rank_sum = [31.0, 31.0, 31.0, np.nan, 500.0, 31.0]
    got = mann_whitney(rank_sum, [5, 0, 5, 5, 5, np.nan], [6, 6, 0, 6, 6, 6])
    np.testing.assert_array_equal(np.isnan(got.p_value), [False, True, True, True, True, True])
    np.testing.assert_array_equal(np.isnan(got.superiority), [False, True, True, True, True, True])
    assert float(got.p_value[0]) == float(mann_whitney(31.0, 5, 6).p_value)
    counts = np.array([[3, 1, 0], [0, 0, 0], [3, -1, 2], [1.5, 1, 1], [np.nan, 1, 1], [60, 40, 40]])
    got = mann_whitney_conditional(counts, [[0, 2, 2]])
    np.testing.assert_array_equal(got.is_exact, [True, False, False, False, False, False])
    np.testing.assert_array_equal(np.isnan(got.p_value), ~got.is_exact)
    assert np.isfinite(got.superiority[5])
    place = brunner_munzel([0.6, np.nan, 0.6, 0.6], [0.1, 0.1, -0.1, 0.1], [10, 10, 10, 1], 0.1, 10)
    np.testing.assert_array_equal(np.isnan(place.p_value), [False, True, True, True])


def test_all_cells_at_once_equal_one_cell_at_a_time():
    rng = np.random.default_rng(6)
    cells = [rank_sums(rng.poisson(3, a), rng.normal(3, 1, b).round(2)) for a, b in rng.integers(1, 60, (40, 2))]
    cells += [rank_sums(rng.normal(size=a), rng.normal(size=b)) for a, b in rng.integers(1, 40, (40, 2))]
    side = np.resize(["two_sided", "greater", "less"], len(cells))
    together = mann_whitney(*np.array(cells).T, alternative=side)
    assert 0 < together.is_exact.sum() < len(cells)
    for cell, args in enumerate(cells):
        alone = mann_whitney(*args, alternative=side[cell])
        for field in alone._fields:
            np.testing.assert_allclose(getattr(together, field)[cell], getattr(alone, field), rtol=1e-12)


def test_wrong_arguments_are_refused_in_words():
    with pytest.raises(ValueError, match="method must be one of"):
        mann_whitney(10, 3, 3, method="normal")
    with pytest.raises(ValueError, match="alternative"):
        mann_whitney(10, 3, 3, alternative="larger")
    with pytest.raises(ValueError, match="alternative"):
        mann_whitney_conditional([1], [1], alternative="larger")
