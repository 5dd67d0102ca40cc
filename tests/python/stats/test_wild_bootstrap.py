"""Wild cluster bootstrap-t: against enumerations by others and by unit-level regressions."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import numpy as np
import pytest

import python_stats.clusters.wild_bootstrap as module
from python_stats.clusters.robust_variance import cluster_arm, cluster_difference
from python_stats.clusters.totals import cluster_moments
from python_stats.clusters.wild_bootstrap import wild_cluster_bootstrap

# School totals of clubSandwich's AchievementAwardsRCT, 2001 cohort, Arab schools: pupils, matriculated, treated.
SIZE = np.array([219.0, 20, 163, 108, 175, 64, 67, 99, 248, 167])
TOTAL = np.array([66.0, 5, 54, 23, 16, 31, 30, 3, 84, 59])
TREATED = np.array([0, 0, 0, 0, 0, 1, 1, 1, 1, 1])
ONE = np.zeros(10, dtype=int)


def test_reference_case(oracle_case):
    case = oracle_case("wcb_aa10")
    table = case.table()
    _, first, school = np.unique(table["school_id"], return_index=True, return_inverse=True)
    rows = (ONE, table["treated"][first], np.bincount(school), np.bincount(school, table["Bagrut_status"]))
    restricted, unrestricted = (wild_cluster_bootstrap(*rows, impose_null=impose) for impose in (True, False))
    case.check("t", restricted.statistic)
    case.check("n_draws", restricted.draws)
    case.check("p_WCR_counting_ties", restricted.p_value)
    case.check("p_WCU_counting_ties", unrestricted.p_value)
    case.check("p_WCU_two_sided", unrestricted.p_value)
    # Strict counting leaves out the observed draw and its mirror image.
    case.check("p_WCR_two_sided", restricted.p_value - 2 / 1024)
    # Fewer draws than sign vectors: Monte Carlo, its error averaged down to a sixth of the case's bound.
    drawn = [wild_cluster_bootstrap(*rows, draws=1023, seed=seed) for seed in range(20)]
    assert not any(got.is_exact[0] for got in drawn)
    bound = case.record["tolerance"]["monte_carlo_p"]["abs"]
    assert abs(np.mean([got.p_value for got in drawn]) - case.expected["p_WCR_counting_ties"]) < bound
    # Not ours: cr1s_t9_p, CR2_p, CR2_df and se belong to clusters.py and are tested there.


def test_the_arab_schools_as_wildboottest_0_3_2_prints_them():
    got = wild_cluster_bootstrap(ONE, TREATED, SIZE, TOTAL)
    assert got.statistic[0] == pytest.approx(1.1087917415394586, rel=1e-12)
    assert got.p_value[0] == 0.318359375
    assert wild_cluster_bootstrap(ONE, TREATED, SIZE, TOTAL, impose_null=False).p_value[0] == 0.3046875
    assert got.is_exact[0]
    assert got.draws[0] == 1024


@pytest.mark.parametrize("scores", ["residuals", "jackknifed"])
@pytest.mark.parametrize("impose_null", [True, False])
def test_closed_form_equals_regressions_of_resampled_units(impose_null: bool, scores: str):
    rng = np.random.default_rng(12)
    size = np.array([3, 1, 4, 2, 5, 2, 6])
    cluster = np.repeat(np.arange(7), size)
    arm = np.array([0, 1, 0, 1, 1, 0, 1])
    x = np.column_stack([np.ones(cluster.size), arm[cluster]])
    y = rng.normal(size=cluster.size) + rng.normal(size=7)[cluster] + 1.2 * arm[cluster]
    inverse = np.linalg.inv(x.T @ x)

    def effect_and_t(outcome: np.ndarray, null: float) -> tuple[float, float]:
        beta = inverse @ x.T @ outcome
        residual = outcome - x @ beta
        scores = np.array([x[cluster == g].T @ residual[cluster == g] for g in range(7)])
        covariance = inverse @ scores.T @ scores @ inverse * 7 / 6 * (cluster.size - 1) / (cluster.size - 2)
        return beta[1], (beta[1] - null) / np.sqrt(covariance[1, 1])

    effect, t = effect_and_t(y, 0.0)
    fitted = np.full(y.size, y.mean()) if impose_null else x @ (inverse @ x.T @ y)
    around = fitted
    if scores == "jackknifed":
        # Every cluster's residuals are those around a fit that it had no part in.
        alike = np.ones((7, 7), dtype=bool) if impose_null else arm[:, None] == arm
        others = [y[alike[g][cluster] & (cluster != g)].mean() for g in range(7)]
        around = np.array(others)[cluster]
    drawn = np.array(
        [
            effect_and_t(fitted + np.array(signs)[cluster] * (y - around), 0.0 if impose_null else effect)[1]
            for signs in product([1.0, -1.0], repeat=7)
        ]
    )
    rows = (0 * arm, arm, size, np.bincount(cluster, y))
    expected = {
        "two_sided": np.mean(np.abs(drawn) >= abs(t) * (1 - 1e-9)),
        "greater": np.mean(drawn >= t - 1e-9),
        "less": np.mean(drawn <= t + 1e-9),
    }
    for side, p in expected.items():
        got = wild_cluster_bootstrap(*rows, impose_null=impose_null, scores=scores, alternative=side)
        assert got.statistic[0] == pytest.approx(t, rel=1e-11)
        assert got.p_value[0] == pytest.approx(p, rel=1e-12)


def test_draws_without_variance_count_against_the_effect_as_in_exact_arithmetic():
    # Single units with outcomes 0 and 1: some draws make every residual of both arms zero.
    outcome, arm = [0, 0, 1, 1, 1, 0], [0, 0, 0, 1, 1, 1]

    def effect_and_variance(residual: list[Fraction]) -> tuple[Fraction, Fraction]:
        means = [sum(u for u, a in zip(residual, arm, strict=True) if a == k) / 3 for k in (0, 1)]
        return means[1] - means[0], sum((u - means[a]) ** 2 for u, a in zip(residual, arm, strict=True))

    start = [Fraction(y) - Fraction(1, 2) for y in outcome]
    effect, variance = effect_and_variance(start)
    drawn = [
        effect_and_variance([v * u for v, u in zip(signs, start, strict=True)]) for signs in product([1, -1], repeat=6)
    ]
    assert any(v == 0 for _, v in drawn)
    extreme = sum(d**2 * variance >= effect**2 * v for d, v in drawn)
    got = wild_cluster_bootstrap(ONE[:6], arm, np.ones(6), outcome)
    assert got.p_value[0] == extreme / 64


def test_statistic_is_the_difference_over_its_cr1s_error():
    arm = cluster_arm(cluster_moments(TREATED, SIZE, TOTAL))
    want = cluster_difference(arm.at(0), arm.at(1), kind="CR1S")
    got = wild_cluster_bootstrap(ONE, TREATED, SIZE, TOTAL)
    assert got.effect[0] == pytest.approx(want.effect, rel=1e-13)
    assert got.statistic[0] == pytest.approx(want.statistic, rel=1e-12)


def many(rng: np.random.Generator, clusters: list[int]) -> tuple[np.ndarray, ...]:
    """Comparisons with these numbers of clusters."""
    comparison = np.repeat(np.arange(len(clusters)), clusters)
    treated = np.concatenate([np.arange(g) % 2 for g in clusters])
    size = rng.integers(2, 40, comparison.size).astype(float)
    return comparison, treated, size, size * (rng.normal(size=comparison.size) + 0.5 * treated)


@pytest.mark.parametrize("weights", ["rademacher", "webb"])
def test_a_comparison_depends_on_its_own_rows_and_the_seed_alone(weights: str, monkeypatch: pytest.MonkeyPatch):
    rng = np.random.default_rng(20)
    rows = many(rng, [5, 11, 5, 6, 9])
    options = {"weights": weights, "draws": 200, "seed": 4}
    together = wild_cluster_bootstrap(*rows, **options)
    shuffled = rng.permutation(rows[0].size)
    monkeypatch.setattr(module, "_BLOCK", 70)
    again = wild_cluster_bootstrap(*(column[shuffled] for column in rows), **options)
    np.testing.assert_array_equal(again.p_value, together.p_value)
    for k in range(5):
        own = rows[0] == k
        alone = wild_cluster_bootstrap(rows[0][own] * 0, *(column[own] for column in rows[1:]), **options)
        assert alone.p_value[0] == together.p_value[k]
        assert alone.draws[0] == together.draws[k]
    assert together.is_exact.tolist() == ([True, False, True, True, False] if weights == "rademacher" else [False] * 5)
    others = [wild_cluster_bootstrap(*rows, **(options | {"seed": seed})).p_value for seed in range(5, 9)]
    varies = np.any(np.array(others) != together.p_value, axis=0)
    assert (varies == ~together.is_exact).all()


def test_webb_weights_have_variance_one_and_agree_with_signs_when_clusters_are_many():
    points = module.WEIGHTS["webb"]
    assert points.mean() == pytest.approx(0.0, abs=1e-15)
    assert np.mean(points**2) == pytest.approx(1.0)
    rows = many(np.random.default_rng(1), [40])
    signs, webb = (wild_cluster_bootstrap(*rows, weights=w, draws=4000) for w in ("rademacher", "webb"))
    assert abs(signs.p_value - webb.p_value)[0] < 0.04


def test_webb_draws_agree_with_the_enumeration_of_their_six_points():
    size, arm = np.array([3.0, 9.0, 4.0, 5.0, 2.0]), np.array([0, 0, 1, 1, 1])
    total = np.array([1.0, 7.0, 6.0, 3.0, 4.0])
    start = total - total.sum() / size.sum() * size

    def statistic(residual: np.ndarray) -> np.ndarray:
        effect, variance = 0.0, 0.0
        for k in (0, 1):
            own, n = residual[:, arm == k], size[arm == k]
            mean = own.sum(axis=1, keepdims=True) / n.sum()
            effect = mean[:, 0] - effect
            variance = variance + np.sum((own - mean * n) ** 2, axis=1) / n.sum() ** 2
        return np.abs(effect) / np.sqrt(variance)

    every = np.array(list(product(module.WEIGHTS["webb"], repeat=5)))
    exact = np.mean(statistic(every * start) >= statistic(start[None, :])[0] * (1 - 1e-9))
    got = wild_cluster_bootstrap(ONE[:5], arm, size, total, weights="webb", draws=40_000)
    assert got.p_value[0] == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 40_000))


def test_a_cluster_without_units_is_left_out():
    rows = (np.zeros(11, dtype=int), np.append(TREATED, 1), np.append(SIZE, 0.0), np.append(TOTAL, 0.0))
    for one, other in zip(
        wild_cluster_bootstrap(*rows), wild_cluster_bootstrap(ONE, TREATED, SIZE, TOTAL), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_shift_and_scale_leave_the_p_value_and_swapping_arms_mirrors_it():
    base = wild_cluster_bootstrap(ONE, TREATED, SIZE, TOTAL, alternative="greater")
    moved = wild_cluster_bootstrap(ONE, TREATED, SIZE, 3.0 * (TOTAL + 7.5 * SIZE), alternative="greater")
    swapped = wild_cluster_bootstrap(ONE, 1 - TREATED, SIZE, TOTAL, alternative="less")
    assert moved.p_value[0] == swapped.p_value[0] == base.p_value[0]
    assert swapped.effect[0] == pytest.approx(-base.effect[0])


def test_a_mean_of_1e7_with_deviation_of_a_tenth_keeps_its_p_value():
    noise = 0.1 * np.array([1.0, -0.4, 0.3, 0.8, -1.3, 1.9, 0.2, 0.7, 0.4, 1.5]) * SIZE
    near = wild_cluster_bootstrap(ONE, TREATED, SIZE, noise)
    far = wild_cluster_bootstrap(ONE, TREATED, SIZE, noise + 1e7 * SIZE)
    assert far.p_value[0] == near.p_value[0]
    assert far.statistic[0] == pytest.approx(near.statistic[0], rel=1e-6)


def test_a_ratio_resamples_residuals_around_the_pooled_ratio():
    sessions = SIZE * np.linspace(1.0, 3.0, 10)
    got = wild_cluster_bootstrap(ONE, TREATED, SIZE, TOTAL, sessions)
    arm = cluster_arm(cluster_moments(TREATED, SIZE, TOTAL, sessions))
    assert got.statistic[0] == pytest.approx(cluster_difference(arm.at(0), arm.at(1), kind="CR1S").statistic, rel=1e-12)
    assert got.p_value[0] == wild_cluster_bootstrap(ONE, TREATED, sessions, TOTAL).p_value[0]


def test_trap_a_p_value_is_never_zero():
    comparison = np.zeros(60, dtype=int)
    treated = np.arange(60) % 2
    total = 100.0 * treated + np.sin(np.arange(60))
    got = wild_cluster_bootstrap(comparison, treated, np.ones(60), total, draws=199)
    assert got.p_value[0] == 1 / 200
    few = wild_cluster_bootstrap(comparison[:8], treated[:8], np.ones(8), total[:8])
    assert few.p_value[0] >= 2 / 256


def test_trap_asking_for_9999_draws_of_ten_clusters():
    assert wild_cluster_bootstrap(ONE, TREATED, SIZE, TOTAL, draws=9999).draws[0] == 1024
    assert wild_cluster_bootstrap(ONE, TREATED, SIZE, TOTAL, draws=1024).is_exact[0]
    assert not wild_cluster_bootstrap(ONE, TREATED, SIZE, TOTAL, draws=1023).is_exact[0]


@pytest.mark.parametrize(
    ("treated", "size", "numerator"),
    [
        ([0, 0, 1], [5, 6, 7], [1, 2, 3]),
        ([0, 0, 1, 1], [5, 6, 7, 0], [1, 2, 3, 0]),
        ([0, 0, 1, 1], [5, 6, 7, 8], [1, 2, 3, np.nan]),
        ([0, 0, 1, 1], [5, 6, 7, 8], [0.5, 0.6, 0.7, 0.8]),
        ([0, 0, 0, 0], [5, 6, 7, 8], [1, 2, 3, 4]),
        ([0, 0, 1, 1], [5, 6, 7, -8], [1, 2, 3, 4]),
    ],
    ids=["one cluster", "empty cluster", "nan", "constant", "no treatment", "negative size"],
)
def test_a_comparison_without_a_test_is_nan_and_leaves_its_neighbour_alone(treated, size, numerator):
    comparison = np.concatenate([np.zeros(len(size), dtype=int), ONE + 2])
    got = wild_cluster_bootstrap(
        comparison, np.append(treated, TREATED), np.append(size, SIZE), np.append(numerator, TOTAL)
    )
    assert np.isnan(got.p_value[:2]).all()
    assert got.draws[:2].tolist() == [0, 0]
    assert not got.is_exact[:2].any()
    assert got.p_value[2] == 0.318359375


def test_alternatives_may_differ_by_comparison():
    comparison = np.repeat([0, 1, 2], 10)
    rows = (comparison, np.tile(TREATED, 3), np.tile(SIZE, 3), np.tile(TOTAL, 3))
    got = wild_cluster_bootstrap(*rows, alternative=["two_sided", "greater", "less"]).p_value
    assert got[0] == 0.318359375
    assert got[1] + got[2] == pytest.approx(1 + 1 / 1024)


def test_no_rows_are_no_comparisons():
    assert wild_cluster_bootstrap([], [], [], []).p_value.size == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weights": "mammen"}, "weights"),
        ({"scores": "raw"}, "scores"),
        ({"draws": 0}, "draws"),
        ({"alternative": "up"}, "alternative"),
    ],
)
def test_wrong_arguments_are_refused_in_words(arguments, message):
    with pytest.raises(ValueError, match=message):
        wild_cluster_bootstrap(ONE, TREATED, SIZE, TOTAL, **arguments)


@pytest.mark.parametrize("alternative", ["two_sided", "greater", "less"])
@pytest.mark.parametrize("impose_null", [True, False])
@pytest.mark.parametrize(("weights", "scores"), [("rademacher", "residuals"), ("webb", "residuals"),
                                                 ("rademacher", "jackknifed")])  # fmt: skip
def test_the_interval_holds_the_effects_that_are_not_rejected(
    alternative: str, impose_null: bool, weights: str, scores: str
):
    rng = np.random.default_rng(70)
    treated = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 1])
    size = rng.integers(3, 60, 11).astype(float)
    base = size * rng.uniform(0.5, 2.0, 11)
    total = base * rng.normal(1.0, 0.3, 11)
    options = {
        "alternative": alternative,
        "impose_null": impose_null,
        "weights": weights,
        "scores": scores,
        "draws": 2100,
    }
    rows = (np.zeros(11, dtype=int), treated, size)
    got = wild_cluster_bootstrap(*rows, total, base, alpha=0.1, **options)

    def p_of(tau: float) -> float:
        moved = total - tau * base * treated
        return wild_cluster_bootstrap(*rows, moved, base, alpha=None, **options).p_value[0]

    for limit, inwards in ((got.ci_low[0], 1.0), (got.ci_high[0], -1.0)):
        if np.isfinite(limit):
            assert p_of(limit + 1e-6 * inwards) > 0.1
            assert p_of(limit - 1e-6 * inwards) <= 0.1
    assert np.isfinite(got.ci_low[0]) == (alternative != "less")
    assert np.isfinite(got.ci_high[0]) == (alternative != "greater")


def test_equal_clusters_have_the_same_p_value_with_jackknifed_scores():
    rng = np.random.default_rng(9)
    rows = ([0] * 10, np.repeat([0, 1], 5), np.full(10, 8.0), rng.normal(size=10))
    plain, jackknifed = (wild_cluster_bootstrap(*rows, scores=scores) for scores in ("residuals", "jackknifed"))
    assert plain.p_value[0] == jackknifed.p_value[0]
    assert plain.ci_low[0] == pytest.approx(jackknifed.ci_low[0], rel=1e-6)


def test_trap_the_classic_bootstrap_rejects_too_often_with_few_clusters_of_very_unequal_size():
    rng = np.random.default_rng(41)
    size = np.array([3.0, 6, 9, 13, 18, 23, 32, 46, 70, 150])
    cells, rows = 1_200, np.repeat(np.arange(1_200), 10)
    treated = (rng.random((cells, 10)).argsort(axis=1) < 5).ravel()
    total = np.tile(size, cells) * rng.normal(0, 1, cells * 10)
    p = [
        wild_cluster_bootstrap(rows, treated, np.tile(size, cells), total, scores=scores, alpha=None).p_value
        for scores in ("residuals", "jackknifed")
    ]
    classic, jackknifed = ((part <= 0.05).mean() for part in p)
    assert classic > 0.055 and jackknifed < 0.06 and jackknifed < classic - 0.005


def test_no_effect_is_rejected_where_signs_are_too_few():
    got = wild_cluster_bootstrap([0] * 4, [0, 0, 1, 1], [10] * 4, [1, 2, 5, 9])
    assert got.p_value[0] == 0.125
    assert (got.ci_low[0], got.ci_high[0]) == (-np.inf, np.inf)


def test_intervals_have_the_level_of_their_own_comparison():
    rng = np.random.default_rng(3)
    comparison = np.repeat([0, 1, 2], [9, 9, 20])
    treated = np.arange(38) % 2
    size = rng.integers(2, 40, 38).astype(float)
    total = size * rng.normal(size=38)
    levels = [0.05, 0.2, 0.1]
    together = wild_cluster_bootstrap(comparison, treated, size, total, alpha=levels, draws=999)
    for k, level in enumerate(levels):
        own = comparison == k
        alone = wild_cluster_bootstrap(comparison[own] * 0, treated[own], size[own], total[own], alpha=level, draws=999)
        assert together.ci_low[k] == pytest.approx(alone.ci_low[0], rel=1e-9)
        assert together.ci_high[k] == pytest.approx(alone.ci_high[0], rel=1e-9)
    assert np.isnan(wild_cluster_bootstrap(comparison, treated, size, total, alpha=None, draws=99).ci_low).all()
