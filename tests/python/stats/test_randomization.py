"""Randomisation inference: against coin's exact tests and explicit enumeration."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

import python_stats.clusters.randomization as module
from python_stats.clusters.randomization import randomization_test

# School totals of clubSandwich's AchievementAwardsRCT, 2001 cohort, Arab schools: pupils, matriculated, treated.
SIZE = np.array([219.0, 20, 163, 108, 175, 64, 67, 99, 248, 167])
TOTAL = np.array([66.0, 5, 54, 23, 16, 31, 30, 3, 84, 59])
TREATED = np.array([0, 0, 0, 0, 0, 1, 1, 1, 1, 1])
ONE = np.zeros(10, dtype=int)


def test_reference_case(oracle_case):
    case = oracle_case("ri_exact_cluster")
    table = case.table()
    rows = (ONE, table["treated"], table["n"], table["y"])
    two_sided, greater = (randomization_test(*rows, alternative=side) for side in ("two_sided", "greater"))
    case.check("diff_cluster_means_10", two_sided.effect)
    case.check("p_two_sided_10", two_sided.p_value)
    case.check("p_greater_10", greater.p_value)
    case.check("n_extreme_10", two_sided.p_value * two_sided.assignments)
    weighted = randomization_test(*rows, statistic="weighted")
    case.check("diff_student_weighted_10", weighted.effect)
    case.check("p_two_sided_student_weighted_10", weighted.p_value)
    assert two_sided.assignments[0] == case.inputs["n_assignments_10"]

    pupils = case.table("cases/achievement20.csv")
    _, first, school = np.unique(pupils["school_id"], return_index=True, return_inverse=True)
    rows = (
        np.zeros(20, dtype=int),
        pupils["treated"][first],
        np.bincount(school),
        np.bincount(school, pupils["Bagrut_status"]),
    )
    plain = randomization_test(*rows)
    case.check("diff_cluster_means_20", plain.effect)
    case.check("p_two_sided_20", plain.p_value)
    assert plain.assignments[0] == case.inputs["n_assignments_20"]
    stratified = randomization_test(*rows, stratum=pupils["school_type"][first])
    case.check("p_two_sided_20_stratified_by_type", stratified.p_value)
    assert stratified.assignments[0] == 252**2


def test_the_arab_schools_as_coin_1_4_2_prints_them():
    got = randomization_test(ONE, TREATED, SIZE, TOTAL)
    assert got.effect[0] == pytest.approx(0.0934785147924747, rel=1e-13)
    assert got.p_value[0] == pytest.approx(84 / 252, rel=1e-15)
    assert got.is_exact[0]
    weighted = randomization_test(ONE, TREATED, SIZE, TOTAL, statistic="weighted")
    assert weighted.p_value[0] == pytest.approx(92 / 252, rel=1e-15)


def by_hand(statistic: str, arm: np.ndarray, size: np.ndarray, total: np.ndarray, stratum: np.ndarray) -> float:
    """Compute the statistic of one assignment, stratum by stratum."""
    result, weight = 0.0, 0.0
    for label in np.unique(stratum):
        own = stratum == label
        t, c = own & (arm == 1), own & (arm == 0)
        if not t.any() or not c.any():
            continue
        if statistic == "mean":
            gap, share = (total[t] / size[t]).mean() - (total[c] / size[c]).mean(), own.sum()
        else:
            gap, share = total[t].sum() / size[t].sum() - total[c].sum() / size[c].sum(), size[own].sum()
        result, weight = result + share * gap, weight + share
    return result / weight


@pytest.mark.parametrize("statistic", ["mean", "weighted"])
@pytest.mark.parametrize("ratio", [False, True], ids=["per unit", "ratio"])
def test_stratified_enumeration_equals_the_explicit_one(statistic: str, ratio: bool):
    rng = np.random.default_rng(30)
    stratum = np.array(["a", "a", "a", "a", "b", "b", "b", "c", "c", "d"])
    arm = np.array([1, 0, 0, 0, 1, 1, 0, 0, 1, 1])
    size = rng.integers(3, 30, 10).astype(float)
    total = size * rng.normal(size=10)
    base = size * rng.uniform(1, 2, 10) if ratio else size
    drawn = []
    for a in combinations(range(4), 1):
        for b in combinations(range(4, 7), 2):
            for c in combinations(range(7, 9), 1):
                chosen = np.isin(np.arange(10), a + b + c).astype(int)
                chosen[9] = 1
                drawn.append(by_hand(statistic, chosen, base, total, stratum))
    observed = by_hand(statistic, arm, base, total, stratum)
    for side, extreme in {
        "two_sided": np.abs(drawn) >= abs(observed) - 1e-12,
        "greater": np.array(drawn) >= observed - 1e-12,
        "less": np.array(drawn) <= observed + 1e-12,
    }.items():
        got = randomization_test(
            ONE, arm, size, total, base if ratio else None, stratum, statistic=statistic, alternative=side
        )
        assert got.assignments[0] == 4 * 3 * 2
        assert got.effect[0] == pytest.approx(observed, rel=1e-12)
        assert got.p_value[0] == pytest.approx(extreme.mean(), rel=1e-14)


def many(rng: np.random.Generator, clusters: list[int]) -> tuple[np.ndarray, ...]:
    """Comparisons with these numbers of clusters."""
    comparison = np.repeat(np.arange(len(clusters)), clusters)
    treated = np.concatenate([np.arange(g) % 3 == 0 for g in clusters])
    size = rng.integers(2, 40, comparison.size).astype(float)
    return comparison, treated, size, size * (rng.normal(size=comparison.size) + 0.5 * treated)


@pytest.mark.parametrize("statistic", ["mean", "weighted"])
@pytest.mark.parametrize("stratified", [False, True])
def test_a_comparison_depends_on_its_own_rows_and_the_seed_alone(
    statistic: str, stratified: bool, monkeypatch: pytest.MonkeyPatch
):
    rng = np.random.default_rng(21)
    rows = many(rng, [7, 16, 7, 9, 12])
    stratum = np.arange(rows[0].size) % 2 if stratified else np.zeros(rows[0].size)
    options = {"statistic": statistic, "draws": 300, "max_exact": 300, "seed": 4}
    together = randomization_test(*rows, stratum=stratum, **options)
    assert set(together.is_exact.tolist()) == {True, False}
    shuffled = rng.permutation(rows[0].size)
    monkeypatch.setattr(module, "_BLOCK", 90)
    again = randomization_test(*(column[shuffled] for column in rows), stratum=stratum[shuffled], **options)
    np.testing.assert_array_equal(again.p_value, together.p_value)
    for k in range(5):
        own = rows[0] == k
        alone = randomization_test(
            rows[0][own] * 0, *(column[own] for column in rows[1:]), stratum=stratum[own], **options
        )
        assert alone.p_value[0] == together.p_value[k]
        assert alone.effect[0] == pytest.approx(together.effect[k], rel=1e-12)
    others = [randomization_test(*rows, stratum=stratum, **(options | {"seed": seed})).p_value for seed in range(5, 9)]
    varies = np.any(np.array(others) != together.p_value, axis=0)
    assert (varies == ~together.is_exact).all()


def test_monte_carlo_draws_agree_with_the_enumeration_and_keep_the_strata():
    rows = many(np.random.default_rng(2), [12] * 6)
    stratum = np.arange(72) % 2
    for labels in (None, stratum):
        exact = randomization_test(*rows, stratum=labels)
        drawn = randomization_test(*rows, stratum=labels, max_exact=1, draws=4000)
        assert exact.is_exact.all()
        assert not drawn.is_exact.any()
        np.testing.assert_allclose(drawn.p_value, exact.p_value, atol=4.5 * 0.5 / np.sqrt(4000))


def test_shift_and_scale_leave_the_p_value_and_swapping_arms_mirrors_it():
    for statistic in ("mean", "weighted"):
        base = randomization_test(ONE, TREATED, SIZE, TOTAL, statistic=statistic, alternative="greater")
        moved = randomization_test(
            ONE, TREATED, SIZE, 3.0 * (TOTAL + 7.5 * SIZE), statistic=statistic, alternative="greater"
        )
        swapped = randomization_test(ONE, 1 - TREATED, SIZE, TOTAL, statistic=statistic, alternative="less")
        assert moved.p_value[0] == swapped.p_value[0] == base.p_value[0]
        assert swapped.effect[0] == pytest.approx(-base.effect[0])


@pytest.mark.parametrize("shift", [0.0, 1e7])
def test_trap_ties_in_floating_point_are_counted(shift: float):
    # Ten equal steps of 0.1: many assignments have the observed sum of ranks in exact arithmetic.
    steps = np.array([0, 2, 4, 6, 8, 1, 3, 5, 7, 9])
    want = np.mean([abs(2 * sum(range(10)[i] for i in choice) - 45) >= 5 for choice in combinations(range(10), 5)])
    got = randomization_test(ONE, TREATED, SIZE, (0.1 * steps + shift) * SIZE)
    assert got.p_value[0] == pytest.approx(want, rel=1e-14)


def test_trap_a_p_value_is_never_zero():
    comparison = np.zeros(40, dtype=int)
    treated = np.arange(40) % 2
    got = randomization_test(comparison, treated, np.ones(40), 100.0 * treated + np.sin(np.arange(40)), draws=199)
    assert got.p_value[0] == 1 / 200
    few = randomization_test(comparison[:6], treated[:6], np.ones(6), 100.0 * treated[:6])
    assert few.p_value[0] == 2 / 20


def test_trap_cluster_means_and_the_weighted_difference_are_different_tests():
    p = [randomization_test(ONE, TREATED, SIZE, TOTAL, statistic=s).p_value[0] for s in ("mean", "weighted")]
    assert p == pytest.approx([84 / 252, 92 / 252])


@pytest.mark.parametrize(
    ("treated", "size", "numerator"),
    [
        ([0, 0, 0], [5, 6, 7], [1, 2, 3]),
        ([0, 0, 1], [5, 6, 0], [1, 2, 0]),
        ([0, 0, 1], [5, 6, 7], [1, 2, np.nan]),
        ([0, 0, 1], [5, 6, 7], [0.5, 0.6, 0.7]),
        ([0, 0, 1], [5, 6, -7], [1, 2, 3]),
        ([0, 0, 1], [5, 6, np.nan], [1, 2, 3]),
    ],
    ids=["no treatment", "empty cluster", "nan", "constant", "negative size", "nan size"],
)
@pytest.mark.parametrize("statistic", ["mean", "weighted"])
def test_a_comparison_without_a_test_is_nan_and_leaves_its_neighbour_alone(treated, size, numerator, statistic):
    comparison = np.concatenate([np.zeros(len(size), dtype=int), ONE + 2])
    got = randomization_test(
        comparison,
        np.append(treated, TREATED),
        np.append(size, SIZE),
        np.append(numerator, TOTAL),
        statistic=statistic,
    )
    assert np.isnan(got.p_value[:2]).all()
    assert got.assignments[:2].tolist() == [0, 0]
    assert not got.is_exact[:2].any()
    assert got.p_value[2] == randomization_test(ONE, TREATED, SIZE, TOTAL, statistic=statistic).p_value[0]


def test_a_cluster_without_denominator_has_no_mean_but_is_in_the_weighted_difference():
    sessions = np.append(SIZE, 0.0)
    rows = (np.zeros(11, dtype=int), np.append(TREATED, 1), np.append(SIZE, 9.0), np.append(TOTAL, 0.0), sessions)
    assert randomization_test(*rows).assignments[0] == 252
    assert randomization_test(*rows, statistic="weighted").assignments[0] == 462


def test_an_assignment_whose_statistic_is_undefined_counts_against_the_effect():
    # Both clusters with sessions in one arm leave the other without a denominator.
    got = randomization_test([0] * 4, [0, 1, 0, 1], [5] * 4, [1, 3, 0, 0], [5, 5, 0, 0], statistic="weighted")
    assert got.p_value[0] == 1.0


def test_large_designs_are_drawn_without_counting_them():
    rng = np.random.default_rng(0)
    g = 20_000
    got = randomization_test(np.zeros(g, dtype=int), np.arange(g) % 2, np.ones(g), rng.normal(size=g), draws=20)
    assert not got.is_exact[0]
    assert 0 < got.p_value[0] <= 1


def test_alternatives_may_differ_by_comparison():
    rows = (np.repeat([0, 1, 2], 10), np.tile(TREATED, 3), np.tile(SIZE, 3), np.tile(TOTAL, 3))
    got = randomization_test(*rows, alternative=["two_sided", "greater", "less"]).p_value
    assert got[:2] == pytest.approx([84 / 252, 42 / 252])
    assert got[1] + got[2] >= 1 + 1 / 252 - 1e-12


def test_no_rows_are_no_comparisons():
    assert randomization_test([], [], [], []).p_value.size == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"statistic": "median"}, "statistic"),
        ({"draws": 0}, "draws"),
        ({"max_exact": 0}, "max_exact"),
        ({"alternative": "up"}, "alternative"),
        ({"stratum": [1, 2]}, "stratum must have one row per cluster"),
        ({"alpha": 1.0}, "alpha"),
        ({"covariate": SIZE}, "a covariate needs"),
    ],
)
def test_wrong_arguments_are_refused_in_words(arguments, message):
    with pytest.raises(ValueError, match=message):
        randomization_test(ONE, TREATED, SIZE, TOTAL, **arguments)


def tau_rejected(tau: float, rows: tuple, alpha: float, **options) -> bool:
    """Test a constant effect as its definition says: take it from the treated clusters, and re-draw."""
    comparison, treated, size, numerator, *rest = rows
    base = rest[0] if rest and rest[0] is not None else size
    shifted = numerator - tau * base * treated
    got = randomization_test(comparison, treated, size, shifted, *rest, **options)
    return bool(got.p_value[0] <= alpha)


@pytest.mark.parametrize("alternative", ["two_sided", "greater", "less"])
@pytest.mark.parametrize("draws", [None, 499], ids=["exact", "drawn"])
@pytest.mark.parametrize("shape", ["per unit", "ratio with covariate", "stratified"])
def test_the_interval_holds_the_effects_that_are_not_rejected(alternative: str, draws: int | None, shape: str):
    rng = np.random.default_rng(77)
    treated = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 1, 0])
    size = rng.integers(3, 60, 12).astype(float)
    base = size * rng.uniform(0.5, 2.0, 12) if shape == "ratio with covariate" else None
    pre = size * rng.normal(size=12)
    total = (size if base is None else base) * rng.normal(1.0, 0.3, 12) + 0.4 * pre
    stratum = np.arange(12) % 2 if shape == "stratified" else None
    options = {"statistic": "weighted", "alternative": alternative}
    if shape == "ratio with covariate":
        options |= {"covariate": pre, "covariate_denominator": size * rng.uniform(1, 2, 12), "theta": 0.37}
    if draws is not None:
        options |= {"draws": draws, "max_exact": 1, "seed": 3}
    rows = (np.zeros(12, dtype=int), treated, size, total, base, stratum)
    alpha = 0.1
    got = randomization_test(*rows, alpha=alpha, **options)
    assert got.is_exact[0] == (draws is None)
    for limit, inwards in ((got.ci_low[0], 1.0), (got.ci_high[0], -1.0)):
        if np.isfinite(limit):
            assert not tau_rejected(limit + 1e-6 * inwards, rows, alpha, **options)
            assert tau_rejected(limit - 1e-6 * inwards, rows, alpha, **options)
    assert np.isfinite(got.ci_low[0]) == (alternative != "less")
    assert np.isfinite(got.ci_high[0]) == (alternative != "greater")
    assert (got.ci_low[0] <= 0.0 <= got.ci_high[0]) == (got.p_value[0] > alpha)


def test_too_few_assignments_to_reject_leave_the_interval_open():
    got = randomization_test([0] * 6, [0, 0, 0, 1, 1, 1], size=[10] * 6, numerator=[1, 2, 3, 4, 6, 9])
    assert got.p_value[0] == 0.1
    assert (got.ci_low[0], got.ci_high[0]) == (-np.inf, np.inf)
    wider = randomization_test([0] * 6, [0, 0, 0, 1, 1, 1], [10] * 6, [1, 2, 3, 4, 6, 9], alpha=[0.1])
    assert 0.0 < wider.ci_low[0] < wider.effect[0] < wider.ci_high[0]


def test_intervals_have_the_level_of_their_own_comparison():
    rng = np.random.default_rng(3)
    rows = many(rng, [9, 9, 9, 14])
    levels = [0.05, 0.1, 0.3, 0.1]
    together = randomization_test(*rows, statistic="weighted", alpha=levels, draws=199, max_exact=200)
    for k, level in enumerate(levels):
        own = rows[0] == k
        alone = randomization_test(
            rows[0][own] * 0, *(column[own] for column in rows[1:]),
            statistic="weighted", alpha=level, draws=199, max_exact=200,
        )  # fmt: skip
        assert together.ci_low[k] == pytest.approx(alone.ci_low[0], rel=1e-12)
        assert together.ci_high[k] == pytest.approx(alone.ci_high[0], rel=1e-12)


def test_the_covariate_is_that_of_adjusted_totals_where_its_denominator_is_the_size():
    rng = np.random.default_rng(8)
    comparison, treated, size, total = many(rng, [9, 11])
    pre = size * rng.normal(size=size.size)
    theta = np.array([0.7, -0.2])
    adjusted = randomization_test(comparison, treated, size, total - theta[comparison] * pre, statistic="weighted")
    got = randomization_test(comparison, treated, size, total, statistic="weighted", covariate=pre, theta=theta)
    for a, b in zip(got, adjusted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10)


def test_a_covariate_ratio_is_re_assigned_with_its_clusters():
    rng = np.random.default_rng(9)
    arm = np.array([1, 0, 0, 1, 0, 1, 0])
    size = rng.integers(3, 30, 7).astype(float)
    base, pre, pre_base = (size * rng.uniform(1, 2, 7) for _ in range(3))
    total = base * rng.normal(size=7)

    def adjusted(chosen: np.ndarray) -> float:
        same = np.zeros(7)
        gaps = [by_hand("weighted", chosen, below, above, same) for above, below in ((total, base), (pre, pre_base))]
        return gaps[0] - 1.3 * gaps[1]

    drawn = [adjusted(np.isin(np.arange(7), c).astype(int)) for c in combinations(range(7), 3)]
    got = randomization_test(
        np.zeros(7, dtype=int), arm, size, total, base,
        statistic="weighted", covariate=pre, covariate_denominator=pre_base, theta=1.3,
    )  # fmt: skip
    assert got.effect[0] == pytest.approx(adjusted(arm), rel=1e-12)
    assert got.p_value[0] == pytest.approx(np.mean(np.abs(drawn) >= abs(adjusted(arm)) - 1e-12), rel=1e-14)


def test_an_unusable_covariate_is_missing_and_an_unused_one_is_not():
    rows = (np.zeros(6, dtype=int), [0, 0, 0, 1, 1, 1], [10] * 6, [1, 2, 3, 4, 6, 9])
    plain = randomization_test(*rows, statistic="weighted")
    broken = [np.nan, 0, 0, 1, 1, 1]
    assert randomization_test(*rows, statistic="weighted", covariate=broken).p_value == plain.p_value
    assert randomization_test(*rows, statistic="weighted", covariate=[5] * 6, theta=2.0).p_value == plain.p_value
    got = randomization_test(*rows, statistic="weighted", covariate=broken, theta=1.0)
    assert np.isnan([got.effect[0], got.p_value[0], got.ci_low[0], got.ci_high[0]]).all()


@pytest.mark.parametrize("statistic", ["mean", "weighted"])
def test_whatever_assignment_was_drawn_the_level_holds_exactly(statistic: str):
    """Of all assignments of the same clusters, no more than a share p has a p-value of at most p."""
    rng = np.random.default_rng(17)
    size = np.array([400.0, 3, 8, 20, 5, 90, 11])
    base, total, pre = (size * rng.lognormal(0, 1, 7) for _ in range(3))
    drawn = [np.isin(np.arange(7), chosen) for chosen in combinations(range(7), 3)]
    more = {"covariate": np.tile(pre, 35), "theta": 0.4} if statistic == "weighted" else {}
    got = randomization_test(
        np.repeat(np.arange(35), 7), np.concatenate(drawn), *(np.tile(column, 35) for column in (size, total, base)),
        statistic=statistic, **more,
    )  # fmt: skip
    for level in np.unique(got.p_value):
        assert np.mean(got.p_value <= level) <= level + 1e-12
    assert got.p_value.min() < 0.06


def test_monte_carlo_errors_of_comparisons_that_share_draws_are_their_own():
    """The same data under many seeds: p-values vary as independent draws do, around the exact one."""
    rng = np.random.default_rng(18)
    treated, size = np.arange(12) % 2, rng.integers(5, 40, 12).astype(float)
    total = size * (rng.normal(size=12) + 0.5 * treated)
    exact = randomization_test(np.zeros(12, dtype=int), treated, size, total).p_value[0]
    repeats = [np.tile(column, 400) for column in (treated, size, total)]
    got = randomization_test(np.repeat(np.arange(400), 12), *repeats, draws=199, max_exact=1, seed=np.arange(400))
    sd = np.sqrt(exact * (1 - exact) / 200)
    assert got.p_value.mean() == pytest.approx((1 + 199 * exact) / 200, abs=4 * sd / 20)
    assert 0.8 * sd < got.p_value.std() < 1.2 * sd
