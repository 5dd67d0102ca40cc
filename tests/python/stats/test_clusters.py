"""Cluster-robust differences: against clubSandwich's numbers, dense matrices, and the clusters' own t test."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from python_stats.clusters.robust_variance import (
    KINDS,
    RANDOMIZATION_CLUSTERS,
    ClusterArm,
    bell_mccaffrey_df,
    cluster_arm,
    cluster_difference,
    cluster_level_df,
    cluster_mean_t,
    randomization_advised,
)
from python_stats.clusters.totals import cluster_mean_moments, cluster_moments
from python_stats.wald import wald

# School totals of clubSandwich's AchievementAwardsRCT, 2001 cohort, Arab schools: pupils, matriculated, treated.
SCHOOL_SIZE = np.array([219.0, 20, 163, 108, 175, 64, 67, 99, 248, 167])
SCHOOL_TOTAL = np.array([66.0, 5, 54, 23, 16, 31, 30, 3, 84, 59])
SCHOOL_TREATED = np.array([0, 0, 0, 0, 0, 1, 1, 1, 1, 1])


def school_totals(table: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Treated, size and total of each school of a table of pupils."""
    _, first, school = np.unique(table["school_id"], return_index=True, return_inverse=True)
    return (
        table["treated"][first].astype(int),
        np.bincount(school).astype(float),
        np.bincount(school, table["Bagrut_status"]),
    )


def arms(treated: np.ndarray, *columns: Any, theta: Any = None, **more: Any) -> tuple[ClusterArm, ClusterArm]:
    """Control and treatment of one comparison."""
    arm = cluster_arm(cluster_moments(treated, *columns, **more), theta)
    return arm.at(0), arm.at(1)


def dense(
    treated: np.ndarray,
    outcome: np.ndarray,
    cluster: np.ndarray,
    weight: np.ndarray,
    power: int,
    *,
    as_wholes: bool = False,
):
    """Sandwich variance and Satterthwaite df of a weighted two-arm regression from full matrices of units.

    The degrees of freedom are those of independent units, or of clusters whose units are all alike.
    """
    root = np.sqrt(weight)
    x = root[:, None] * np.column_stack([1 - treated, treated])
    y = root * outcome
    bread = np.linalg.inv(x.T @ x)
    hat = x @ bread @ x.T
    residual = y - hat @ y
    annihilator = np.eye(y.size) - hat
    contrast = x @ bread @ np.array([-1.0, 1.0])
    variance, vectors = 0.0, []
    for number in np.unique(cluster):
        own = cluster == number
        values, basis = np.linalg.eigh(annihilator[np.ix_(own, own)])
        adjusted = basis @ (values ** (-power / 2) * (basis.T @ contrast[own]))
        variance += (adjusted @ residual[own]) ** 2
        vectors.append(annihilator[:, own] @ adjusted)
    working = np.outer(root, root) * (cluster[:, None] == cluster) if as_wholes else np.eye(y.size)
    form = np.array(vectors) @ working @ np.array(vectors).T
    return variance, np.trace(form) ** 2 / np.sum(form**2)


@pytest.mark.parametrize("case_id", ["cluster_cr_aa20", "wcb_aa10"])
def test_every_convention_of_the_reference_case(oracle_case, case_id: str):
    case = oracle_case(case_id)
    table = case.table()
    want = case.expected.get("se", case.expected)

    def check(key: str, got: Any) -> None:
        case.check(key, got, want[key])

    treated, size, total = school_totals(table)
    control, treatment = arms(treated, size, total)
    result = {kind: cluster_difference(control, treatment, kind=kind) for kind in KINDS}
    check("n", control.n + treatment.n)
    check("G", control.clusters + treatment.clusters)
    check("est", result["CR2"].effect)
    for key, kind in {
        "se_CR0": "CR0",
        "se_CR1": "CR1",
        "se_CR1p": "CR1P",
        "se_CR1S": "CR1S",
        "se_CR2": "CR2",
        "se_CR3": "CR3",
        "se_CV3_jackknife_b": "CV3",
        "sandwich_vcovCL_HC0_default": "CR1",
        "sandwich_vcovCL_HC1_default": "CR1S",
        "sandwich_vcovCL_HC2_default": "CR2",
        "sandwich_vcovCL_HC3_default": "CR3",
    }.items():
        check(key, result[kind].se)
    check("CR2_satterthwaite_df", result["CR2"].df)
    check("dfadjust_df_BM", result["CR2"].df)
    check("CR2_t", result["CR2"].statistic)
    check("CR2_p", result["CR2"].p_value)
    check("CR2_ci95", [result["CR2"].ci_low, result["CR2"].ci_high])
    check("CR3_satterthwaite_df", result["CR3"].df)
    check("CR3_p_satterthwaite", result["CR3"].p_value)
    check("CR1S_p_t_Gminus1", result["CR1S"].p_value)
    check("fixest_p", result["CR1S"].p_value)
    check("CR1S_ci95_t_Gminus1", [result["CR1S"].ci_low, result["CR1S"].ci_high])
    check("CR1S_p_normal", wald(result["CR1S"].effect, result["CR1S"].se).p_value)
    # Not ours: se_CV3J_jackknife_mean centres the jackknife on its own mean, which the sums per arm do not hold;
    # dfadjust_df_IK belongs to a random-effects working model.


def test_the_arab_schools_as_clubsandwich_0_5_8_prints_them():
    got = cluster_difference(*arms(SCHOOL_TREATED, SCHOOL_SIZE, SCHOOL_TOTAL))
    assert got.effect == pytest.approx(0.081514174163977, rel=1e-12)
    assert got.se == pytest.approx(0.0784312978948491, rel=1e-12)
    assert got.df == pytest.approx(5.97700551000378, rel=1e-12)
    assert got.p_value == pytest.approx(0.338866049343412, rel=1e-10)


@pytest.mark.parametrize("ratio", [False, True], ids=["per unit", "ratio"])
@pytest.mark.parametrize(("kind", "power"), [("CR0", 0), ("CR2", 1), ("CR3", 2)])
def test_closed_form_equals_dense_matrices_of_units(ratio: bool, kind: str, power: int):
    rng = np.random.default_rng(11)
    size = np.array([3, 9, 4, 1, 7, 2, 2, 5, 12])
    cluster = np.repeat(np.arange(9), size)
    arm_of_cluster = (np.arange(9) >= 4).astype(int)
    treated = arm_of_cluster[cluster]
    weight = rng.uniform(0.5, 4.0, cluster.size) if ratio else np.ones(cluster.size)
    outcome = rng.normal(size=cluster.size) + rng.normal(size=9)[cluster]
    total, base = np.bincount(cluster, weight * outcome), np.bincount(cluster, weight)
    control, treatment = arms(arm_of_cluster, size, total, base)
    variance, df = dense(treated, outcome, cluster, weight, power)
    got = cluster_difference(control, treatment, kind=kind)
    assert got.se == pytest.approx(np.sqrt(variance), rel=1e-10)
    if power:
        assert got.df == pytest.approx(df, rel=1e-10)


@pytest.mark.parametrize("ratio", [False, True], ids=["per unit", "ratio"])
def test_degrees_of_freedom_of_clusters_as_wholes_equal_dense_matrices_of_units(ratio: bool):
    rng = np.random.default_rng(12)
    size = np.array([3, 9, 4, 1, 7, 2, 2, 5, 12])
    cluster = np.repeat(np.arange(9), size)
    arm_of_cluster = (np.arange(9) >= 4).astype(int)
    weight = rng.uniform(0.5, 4.0, cluster.size) if ratio else np.ones(cluster.size)
    outcome = rng.normal(size=cluster.size)
    total, base = np.bincount(cluster, weight * outcome), np.bincount(cluster, weight)
    variance, df = dense(arm_of_cluster[cluster], outcome, cluster, weight, 1, as_wholes=True)
    got = cluster_difference(*arms(arm_of_cluster, size, total, base), working_model="clusters")
    assert got.se == pytest.approx(np.sqrt(variance), rel=1e-10)
    assert got.df == pytest.approx(df, rel=1e-10)


def test_equal_clusters_have_the_same_degrees_of_freedom_by_both_models_and_unequal_ones_fewer_as_wholes():
    rng = np.random.default_rng(3)
    treated = np.repeat([0, 1], 6)
    for size, ratio in ((np.full(12, 9.0), 1.0), (np.tile([3.0, 4, 5, 9, 20, 60], 2), None)):
        parts = arms(treated, size, size * rng.normal(size=12))
        units, wholes = (cluster_difference(*parts, working_model=model) for model in ("units", "clusters"))
        assert units.se == wholes.se
        assert wholes.df == pytest.approx(units.df, rel=1e-12) if ratio else wholes.df < 0.8 * units.df
        assert ratio or wholes.p_value > units.p_value


@pytest.mark.parametrize("model", ["units", "clusters"])
def test_trap_bell_mccaffreys_degrees_of_freedom_are_too_many_for_unequal_clusters_that_are_alike(model: str):
    rng = np.random.default_rng(20)
    size = np.tile([400.0] + [20.0] * 19, 4_000)
    cell = 2 * np.repeat(np.arange(4_000), 20) + (rng.random((4_000, 20)).argsort(axis=1) < 10).ravel()
    means = rng.normal(0, np.sqrt(0.1 + 0.9 / size))
    arm = cluster_arm(cluster_moments(cell, size, size * means))
    found = cluster_difference(arm.at(np.arange(0, 8_000, 2)), arm.at(np.arange(1, 8_000, 2)), working_model=model)
    share = (found.p_value <= 0.05).mean()
    assert share > 0.06 if model == "units" else share <= 0.05


def test_equal_clusters_are_the_t_test_of_their_means():
    rng = np.random.default_rng(5)
    treated = np.repeat([0, 1], 8)
    size = np.full(16, 25.0)
    total = size * rng.normal(3.0, 1.0, 16)
    robust = cluster_difference(*arms(treated, size, total))
    moments = cluster_mean_moments(treated, size, total)
    summary = cluster_mean_t(*(column[0] for column in moments), *(column[1] for column in moments))
    for got, want in zip(robust, summary, strict=True):
        assert got == pytest.approx(want, rel=1e-10)


def test_degrees_of_freedom_ignore_the_unit_of_the_denominator():
    m = cluster_moments(SCHOOL_TREATED, SCHOOL_SIZE, SCHOOL_TOTAL)
    args = (m.n[0], m.trace_squared_cr2[0], m.n[1], m.trace_squared_cr2[1])
    scaled = (m.n[0] * 1e250, args[1], m.n[1] * 1e250, args[3])
    assert bell_mccaffrey_df(*args) == pytest.approx(bell_mccaffrey_df(*scaled), rel=1e-14)
    assert np.isnan(bell_mccaffrey_df([0.0, -3.0, np.nan], 0.2, 5.0, 0.2)).all()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), shift=st.floats(-1e3, 1e3), scale=st.floats(1e-3, 1e3))
def test_shift_scale_and_swap(seed: int, shift: float, scale: float):
    rng = np.random.default_rng(seed)
    treated = np.repeat([0, 1], [4, 6])
    size = rng.integers(1, 50, 10).astype(float)
    total = size * rng.normal(size=10)
    for kind in KINDS:
        control, treatment = arms(treated, size, total)
        got = cluster_difference(control, treatment, kind=kind)
        moved = cluster_difference(*arms(treated, size, scale * (total + shift * size)), kind=kind)
        np.testing.assert_allclose(moved.statistic, got.statistic, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(moved.se, scale * got.se, rtol=1e-7)
        swapped = cluster_difference(treatment, control, kind=kind)
        np.testing.assert_allclose(
            [swapped.effect, swapped.se, swapped.df, swapped.p_value, swapped.ci_low],
            [-got.effect, got.se, got.df, got.p_value, -got.ci_high],
            rtol=1e-12,
        )


def test_adjustment_with_given_coefficients_is_a_linear_combination_of_totals():
    pre = SCHOOL_TOTAL * 0.4 + np.arange(10)
    adjusted = cluster_difference(*arms(SCHOOL_TREATED, SCHOOL_SIZE, SCHOOL_TOTAL, covariates=pre, theta=[0.8]))
    direct = cluster_difference(*arms(SCHOOL_TREATED, SCHOOL_SIZE, SCHOOL_TOTAL - 0.8 * pre))
    for got, want in zip(adjusted, direct, strict=True):
        assert got == pytest.approx(want, rel=1e-11)


def test_adjustment_recovers_a_planted_effect_and_its_centre_cancels():
    rng = np.random.default_rng(8)
    treated = np.repeat([0, 1], 10)
    size = rng.integers(10, 60, 20).astype(float)
    pre = size * rng.normal(5.0, 2.0, 20)
    total = 0.9 * pre + 0.25 * size * treated
    noisy = total + 1e-3 * size * rng.normal(size=20)
    moments = cluster_moments(treated, size, noisy, covariates=pre)
    for centre in (0.0, 5.0):
        arm = cluster_arm(moments, [0.9], centre=centre)
        got = cluster_difference(arm.at(0), arm.at(1))
        assert got.effect == pytest.approx(0.25, abs=1e-3)
    assert arm.value[0] == pytest.approx(moments.value[0, 0] - 0.9 * (moments.value[0, 1] - 5.0))
    raw = cluster_arm(moments)
    assert cluster_difference(raw.at(0), raw.at(1)).se > 100 * got.se


def test_missing_covariate_coefficients_make_only_the_adjusted_number_missing():
    moments = cluster_moments(SCHOOL_TREATED, SCHOOL_SIZE, SCHOOL_TOTAL, covariates=np.full(10, np.nan))
    adjusted, raw = cluster_arm(moments, [0.3]), cluster_arm(moments)
    assert np.isnan(cluster_difference(adjusted.at(0), adjusted.at(1)).effect)
    assert np.isfinite(cluster_difference(raw.at(0), raw.at(1)).p_value)
    with pytest.raises(ValueError, match="one coefficient per covariate"):
        cluster_arm(moments, [0.3, 0.1])


def test_all_cells_at_once_equal_one_at_a_time():
    rng = np.random.default_rng(4)
    cell = np.repeat(np.arange(6), 5)
    size = rng.integers(2, 40, 30).astype(float)
    arm = cluster_arm(cluster_moments(cell, size, size * rng.normal(size=30)))
    sides = np.array(["two_sided", "greater", "less"])
    together = cluster_difference(arm.at([0, 2, 4]), arm.at([1, 3, 5]), alternative=sides, alpha=0.1)
    for k in range(3):
        alone = cluster_difference(arm.at(2 * k), arm.at(2 * k + 1), alternative=sides[k], alpha=0.1)
        for one, many in zip(alone, together, strict=True):
            assert one == pytest.approx(many[k], rel=1e-13)


def test_trap_clustered_data_analysed_as_rows(oracle_case):
    table = oracle_case("cluster_cr_aa20").table()
    y, t = table["Bagrut_status"], table["treated"] == 1
    rows_se = np.sqrt(y[t].var(ddof=1) / t.sum() + y[~t].var(ddof=1) / (~t).sum())
    assert cluster_difference(*arms(*school_totals(table))).se > 2.5 * rows_se


@pytest.mark.parametrize("kind", KINDS)
def test_trap_a_normal_reference_with_ten_clusters(kind: str):
    got = cluster_difference(*arms(SCHOOL_TREATED, SCHOOL_SIZE, SCHOOL_TOTAL), kind=kind)
    assert got.df <= 9
    assert got.p_value > 1.04 * wald(got.effect, got.se).p_value


def test_trap_three_numbers_called_cr3_are_named_apart():
    control, treatment = arms(SCHOOL_TREATED, SCHOOL_SIZE, SCHOOL_TOTAL)
    ours = {kind: float(cluster_difference(control, treatment, kind=kind).se) for kind in ("CR3", "CV3")}
    # clubSandwich 0.5.8 CR3; jackknife with (G - 1) / G; pyfixest's CRV3 is neither.
    assert ours["CR3"] == pytest.approx(0.0885569537633482, rel=1e-9)
    assert ours["CV3"] == pytest.approx(0.0840125029615234, rel=1e-9)


def test_trap_an_error_encoded_as_a_number():
    constant = arms(SCHOOL_TREATED, SCHOOL_SIZE, 0.1 * SCHOOL_SIZE)
    one_cluster = arms(np.array([0, 0, 1]), [5.0, 6, 7], [1.0, 2, 3])
    leverage_one = arms(np.array([0, 0, 1, 1]), [5.0, 6, 7, 8], [1.0, 2, 3, 4], [5.0, 6, 7, 0])
    for control, treatment in (constant, one_cluster, leverage_one):
        for kind in KINDS:
            got = cluster_difference(control, treatment, kind=kind)
            assert np.isfinite(got.effect)
            for number in (got.se, got.statistic, got.p_value, got.ci_low, got.ci_high):
                assert np.isnan(number)


def test_an_arm_without_variance_leaves_the_comparison_to_the_other():
    total = np.where(SCHOOL_TREATED == 1, SCHOOL_TOTAL, 0.0)
    control, treatment = arms(SCHOOL_TREATED, SCHOOL_SIZE, total)
    got = cluster_difference(control, treatment)
    assert got.se == pytest.approx(np.sqrt(treatment.cr2), rel=1e-14)
    assert np.isfinite(got.p_value)


def test_the_test_can_have_another_null_than_zero():
    control, treatment = arms(SCHOOL_TREATED, SCHOOL_SIZE, SCHOOL_TOTAL)
    got = cluster_difference(control, treatment, null=-0.05, alternative="greater")
    assert got.statistic == pytest.approx((got.effect + 0.05) / got.se)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"kind": "HC3"}, "kind must be one of"), ({"alpha": 1.0}, "alpha"), ({"alternative": "bigger"}, "alternative")],
)
def test_wrong_arguments_are_refused_in_words(arguments, message):
    with pytest.raises(ValueError, match=message):
        cluster_difference(*arms(SCHOOL_TREATED, SCHOOL_SIZE, SCHOOL_TOTAL), **arguments)


def test_cluster_means_as_r_prints_them(oracle_case):
    case = oracle_case("cluster_summary_t")
    table = case.table()
    moments = cluster_mean_moments(table["treated"].astype(int), table["n"], table["y"])
    columns = (*(column[0] for column in moments), *(column[1] for column in moments))
    pooled, welch = cluster_mean_t(*columns), cluster_mean_t(*columns, equal_var=False)
    case.check("mean_control", moments.mean[0])
    case.check("mean_treated", moments.mean[1])
    case.check("diff", pooled.effect)
    case.check("pooled_t", pooled.statistic)
    case.check("pooled_df", pooled.df)
    case.check("pooled_p", pooled.p_value)
    case.check("pooled_ci95", [pooled.ci_low, pooled.ci_high])
    case.check("welch_df", welch.df)
    case.check("welch_p", welch.p_value)


def test_cluster_means_without_two_clusters_or_variation_are_nan():
    got = cluster_mean_t(1.0, [0.2, np.nan, 0.0, 0.2], [3, 1, 3, 3], 2.0, [0.1, 0.1, 0.0, 0.1], [3, 3, 3, 1])
    assert np.isfinite(got.p_value).tolist() == [True, False, False, False]
    assert np.isnan(got.se[1:]).all()
    assert got.effect.tolist() == [1.0, 1.0, 1.0, 1.0]


def test_the_average_cluster_is_not_the_average_unit():
    moments = cluster_mean_moments(SCHOOL_TREATED, SCHOOL_SIZE, SCHOOL_TOTAL)
    unweighted = cluster_mean_t(*(c[0] for c in moments), *(c[1] for c in moments)).effect
    weighted = cluster_difference(*arms(SCHOOL_TREATED, SCHOOL_SIZE, SCHOOL_TOTAL)).effect
    assert unweighted == pytest.approx(0.0934785147924747, rel=1e-12)
    assert weighted == pytest.approx(0.081514174163977, rel=1e-12)


def test_randomisation_is_advised_for_few_or_lopsided_clusters():
    def arm(sizes: list[float]) -> ClusterArm:
        return cluster_arm(cluster_moments([0] * len(sizes), sizes, range(len(sizes)))).at(0)

    even, few = arm([10.0] * RANDOMIZATION_CLUSTERS), arm([10.0] * (RANDOMIZATION_CLUSTERS - 1))
    giant, undefined = arm([10.0] * 29 + [290.0]), arm([10.0] + [0.0] * 30)
    assert not randomization_advised(even, even)
    assert randomization_advised(few, even)
    assert randomization_advised(even, giant)
    assert randomization_advised(undefined, even)


def test_trap_one_cluster_with_nearly_all_of_an_arm_leaves_one_degree_of_freedom_not_none():
    for size in ([1e5, 1, 1, 1], [1e6, 1, 1, 1], [1e5] + [1.0] * 20):
        m = cluster_moments([0] * len(size), size, np.arange(len(size), dtype=float))
        parts = [m.level_cr2[0], m.level_squared_cr2[0]]
        df = float(cluster_level_df(*parts, *parts))
        assert 1.0 <= df < 3.0
