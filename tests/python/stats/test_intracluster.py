"""Intracluster correlation and design effects: against R's ICC package and the analysis of variance itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from python_stats.clusters.intracluster import (
    IntraclusterMoments,
    anova_icc,
    design_effect,
    effective_n,
    intracluster_moments,
    size_cv2,
)


def of_units(cell: np.ndarray, cluster: np.ndarray, outcome: np.ndarray) -> IntraclusterMoments:
    """Cluster rows from unit rows, then the cells' analysis of variance."""
    _, first, number = np.unique(cluster, return_index=True, return_inverse=True)
    size = np.bincount(number)
    total = np.bincount(number, outcome)
    within = np.bincount(number, (outcome - (total / size)[number]) ** 2)
    return intracluster_moments(cell[first], size, total, within)


def one(moments: IntraclusterMoments) -> list[float]:
    return [float(column[0]) for column in moments]


def test_reference_case(oracle_case):
    case = oracle_case("icc_deff_aa20")
    table = case.table()
    everyone = np.zeros(table["school_id"].size, dtype=int)
    moments = one(of_units(everyone, table["school_id"], table["Bagrut_status"]))
    n, clusters, weighted_size = moments[:3]
    got = anova_icc(*moments)
    case.check("N", n)
    case.check("G", clusters)
    case.check("MSB", got.mean_square_between)
    case.check("MSW", got.mean_square_within)
    case.check("n0", got.n0)
    case.check("icc_anova", got.icc)
    case.check("icc_ci95_searle", [got.ci_low, got.ci_high])
    case.check("mean_size", n / clusters)
    cv2 = size_cv2(n, clusters, weighted_size)
    case.check("cv2_size_pop_var", cv2)
    case.check("cv2_size_sample_var", size_cv2(n, clusters, weighted_size, sample=True))
    equal, unequal = design_effect(n / clusters, got.icc), design_effect(weighted_size, got.icc)
    case.check("deff_equal_size", equal)
    case.check("deff_unequal_kish_sum_n2_over_N", unequal)
    case.check("deff_unequal_kish_sum_n2_over_N", design_effect(n / clusters, got.icc, cv=np.sqrt(cv2)))
    sample_cv = np.sqrt(size_cv2(n, clusters, weighted_size, sample=True))
    case.check("deff_unequal_eldridge_cv2_sample", design_effect(n / clusters, got.icc, cv=sample_cv))
    case.check("n_eff_kish", effective_n(n, unequal))
    case.check("n_eff_equal", effective_n(n, equal))
    score = anova_icc(*one(of_units(everyone, table["school_id"], table["lagscore"])))
    case.check("lagscore_icc_anova", score.icc)
    # Not ours: icc_reml_lme4 is the likelihood's estimate, another number on unequal sizes.


def test_chickweight_as_r_icc_2_4_0_prints_it():
    # ICC::ICCest(Chick, weight) on datasets::ChickWeight: 578 weighings of 50 chicks, n0, mean square within, and the
    # between-variance component; the mean square between is their combination.
    n0, within, component = 11.5551867805946, 4516.00464691558, 545.423842457728
    got = anova_icc(578, 50, 578 - 49 * n0, 49 * (within + n0 * component), 528 * within)
    assert got.icc == pytest.approx(0.10776085123061, rel=1e-11)
    assert got.ci_low == pytest.approx(0.0521560720571488, rel=1e-10)
    assert got.ci_high == pytest.approx(0.193556279579646, rel=1e-10)


def test_planning_formulas_of_the_power_case(oracle_case):
    case = oracle_case("power_cluster_deff")
    inputs = case.inputs
    case.check("deff", design_effect(inputs["m"], inputs["icc"]))
    case.check("deff_cv", design_effect(inputs["m"], inputs["icc"], cv=inputs["cv"]))
    # The other keys are sample sizes, which are planning's.


def test_adding_two_arms_removes_the_treatment_effect():
    rng = np.random.default_rng(2)
    cluster = np.repeat(np.arange(12), rng.integers(3, 20, 12))
    arm = (cluster % 2).astype(int)
    outcome = rng.normal(size=12)[cluster] + rng.normal(size=cluster.size)
    pooled = []
    for effect in (0.0, 50.0):
        moments = of_units(arm, cluster, outcome + effect * arm)
        pooled.append(anova_icc(*(column.sum() for column in moments)))
        assert pooled[-1].mean_square_between * 10 == pytest.approx(moments.ss_between.sum(), rel=1e-12)
    np.testing.assert_allclose(pooled[0], pooled[1], rtol=1e-9)
    ignored = anova_icc(*one(of_units(0 * arm, cluster, outcome + 50.0 * arm)))
    assert ignored.icc > 0.99


def test_sums_of_squares_are_those_of_the_units():
    rng = np.random.default_rng(6)
    cluster = np.repeat(np.arange(5), [2, 7, 3, 4, 9])
    outcome = rng.normal(10.0, 2.0, cluster.size)
    moments = one(of_units(0 * cluster, cluster, outcome))
    assert moments[3] + moments[4] == pytest.approx(np.sum((outcome - outcome.mean()) ** 2), rel=1e-12)
    assert moments[2] == pytest.approx((4 + 49 + 9 + 16 + 81) / 25)


def test_a_mean_of_1e7_with_deviation_of_a_tenth_keeps_its_correlation():
    rng = np.random.default_rng(9)
    cluster = np.repeat(np.arange(8), rng.integers(5, 15, 8))
    outcome = 0.1 * (rng.normal(size=8)[cluster] + rng.normal(size=cluster.size))
    near = anova_icc(*one(of_units(0 * cluster, cluster, outcome)))
    far = anova_icc(*one(of_units(0 * cluster, cluster, outcome + 1e7)))
    assert far.icc == pytest.approx(near.icc, rel=1e-6)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.floats(1e-4, 1e4), shift=st.floats(-1e3, 1e3))
def test_correlation_ignores_shift_and_scale(seed: int, scale: float, shift: float):
    rng = np.random.default_rng(seed)
    cluster = np.repeat(np.arange(6), rng.integers(2, 9, 6))
    outcome = rng.normal(size=cluster.size)
    before = anova_icc(*one(of_units(0 * cluster, cluster, outcome)))
    after = anova_icc(*one(of_units(0 * cluster, cluster, scale * (outcome + shift))))
    np.testing.assert_allclose(after[:4], before[:4], rtol=1e-6, atol=1e-9)
    assert before.ci_low <= before.icc <= before.ci_high
    assert before.n0 <= cluster.size / 6 * (1 + 1e-12)


def test_all_cells_at_once_equal_one_at_a_time_and_a_wider_level_is_wider():
    rng = np.random.default_rng(1)
    cell = rng.permutation(np.repeat(np.arange(4), 6))
    size = rng.integers(2, 30, 24).astype(float)
    total, within = size * rng.normal(size=24), size * rng.uniform(0.5, 2.0, 24)
    together = intracluster_moments(cell, size, total, within)
    correlation = anova_icc(*together, alpha=[0.05, 0.05, 0.05, 0.5])
    for k in range(4):
        own = cell == k
        alone = intracluster_moments(np.zeros(6, dtype=int), size[own], total[own], within[own])
        np.testing.assert_allclose([c[0] for c in alone], [c[k] for c in together], rtol=1e-12)
        got = anova_icc(*one(alone))
        assert got.icc == pytest.approx(correlation.icc[k], rel=1e-11)
    assert correlation.ci_low[3] > got.ci_low
    assert correlation.ci_high[3] < got.ci_high


def test_empty_clusters_are_left_out_and_a_nan_stays_in_its_cell():
    moments = intracluster_moments(
        [0, 0, 0, 1, 1, 2], [2, 3, 0, 2, 2, 0], [3, 9, 0, 1, np.nan, 0], [0.5, 2, 0, 1, 1, 0], cells=3
    )
    assert moments.clusters.tolist() == [2, 2, 0]
    assert moments.ss_between[0] == pytest.approx(2.7)
    assert np.isnan(moments.ss_between[1:]).all()
    assert np.isnan(anova_icc(*moments).icc[1:]).all()


@pytest.mark.parametrize(
    "moments",
    [
        (10.0, 1.0, 10.0, 0.0, 5.0, 1.0),
        (10.0, 10.0, 1.0, 5.0, 0.0, 1.0),
        (10.0, 2.0, 5.0, 0.0, 0.0, 1.0),
        (10.0, 2.0, 5.0, np.nan, 3.0, 1.0),
        (0.0, 0.0, np.nan, np.nan, np.nan, 1.0),
        (20.0, 2.0, 20.0, 4.0, 30.0, 2.0),
    ],
    ids=["one cluster", "one unit a cluster", "no variation", "nan", "empty", "one cluster an arm"],
)
def test_a_correlation_that_cannot_be_computed_is_nan(moments):
    got = anova_icc(*moments)
    assert np.isnan([got.icc, got.ci_low, got.ci_high]).all()


def test_extremes_of_the_correlation():
    alike = anova_icc(10, 2, 5.0, 4.0, 0.0)
    assert alike.icc == 1.0
    assert np.isnan(alike.ci_low)
    assert anova_icc(10, 2, 5.0, 0.0, 8.0).icc == pytest.approx(-1 / 4)


def test_a_constant_metric_has_no_variation_between_clusters_despite_rounding():
    size = np.array([3.0, 7.0, 11.0])
    assert intracluster_moments([0, 0, 0], size, 0.1 * size, 0 * size).ss_between[0] == 0.0


def test_design_effects_without_meaning_are_nan():
    assert np.isnan(design_effect([0.0, 10.0, np.nan], [0.1, -0.5, 0.1])).all()
    assert design_effect(1, 0.3) == 1.0
    assert np.isnan(effective_n(10, [0.0, -1.0, np.nan])).all()
    assert np.isnan(size_cv2([0.0, 5.0], [0.0, 1.0], [np.nan, 5.0], sample=True)).all()
    assert size_cv2(30, 3, 10) == 0.0


def test_wrong_arguments_are_refused_in_words():
    with pytest.raises(ValueError, match="alpha"):
        anova_icc(10, 2, 5.0, 1.0, 8.0, alpha=0.0)
    with pytest.raises(ValueError, match="ss_within must have one row per cluster"):
        intracluster_moments([0, 0], [1, 2], [1, 2], [1])
