"""Planning with clusters: design effects against epiR, and clusters as the units of a t test."""

from __future__ import annotations

import numpy as np
import pytest

from python_stats.clusters.intracluster import design_effect
from python_stats.planning.power_clusters import cluster_variance, sample_size_clusters
from python_stats.planning.power_means import mde_means, power_means, sample_size_means
from python_stats.planning.power_proportions import sample_size_proportions


def test_oracle(oracle_case):
    case = oracle_case("power_cluster_deff")
    m, icc, cv = (case.inputs[key] for key in ("m", "icc", "cv"))
    single = sample_size_means(case.inputs["delta"], var_control=case.inputs["sd"] ** 2)
    plan, uneven = sample_size_clusters(single, m, icc), sample_size_clusters(single, m, icc, cv=cv)
    case.check("deff", plan.design_effect)
    case.check("deff_cv", uneven.design_effect)
    case.check("n_ind_per_arm_z", single.n_control)
    case.check("n_per_arm_deff_z", plan.n_control)
    case.check("clusters_per_arm_z", plan.clusters_control)
    case.check("clusters_per_arm_ceil", plan.rounded_up().clusters_treatment)
    case.check("n_per_arm_deff_cv", uneven.n_control)
    case.check("clusters_per_arm_cv_ceil", uneven.rounded_up().clusters_control)
    case.check("epiR_means_n_total", plan.n_control + plan.n_treatment)
    rates = sample_size_clusters(sample_size_proportions(case.inputs["p1"], case.inputs["p2"]), m, icc)
    case.check("epiR_props_n_total", rates.n_control + rates.n_treatment)
    student = sample_size_means(case.inputs["delta"], var_control=1, distribution="t")
    case.check("n_ind_per_arm_t", student.n_control)


def test_donner_and_klar_by_hand():
    plan = sample_size_clusters(sample_size_means(0.25, var_control=1), 50, 0.05)
    np.testing.assert_allclose(plan.design_effect, 3.45, rtol=1e-12)
    np.testing.assert_allclose(plan.n_control, 2 * 2.8015852181129683**2 / 0.0625 * 3.45, rtol=1e-12)
    assert plan.rounded_up().clusters_control == 18


def test_clusters_as_units_plan_the_same_design():
    plan = sample_size_clusters(sample_size_means(0.25, var_control=1), 50, 0.05, cv=0.6)
    clusters = sample_size_means(0.25, var_control=cluster_variance(1, 50, 0.05, cv=0.6))
    np.testing.assert_allclose(clusters.n_control, plan.clusters_control, rtol=1e-12)


def test_trap_a_normal_reference_is_too_optimistic_with_ten_clusters():
    variance = cluster_variance(1, 50, 0.05)
    normal, student = (power_means(0.5, 5, var_control=variance, distribution=d) for d in ("normal", "t"))
    assert student < normal - 0.05


@pytest.mark.parametrize("distribution", ["normal", "t"])
def test_trap_power_mde_and_number_of_clusters_are_inverses(distribution):
    variance = cluster_variance([1.0, 0.09], [50, 12], [0.05, 0.2], cv=[0.0, 0.6])
    test = {"var_control": variance, "ratio": [1.0, 0.5], "distribution": distribution}
    mde = mde_means([12, 20], **test)
    np.testing.assert_allclose(power_means(mde, [12, 20], **test), 0.8, rtol=1e-11)
    np.testing.assert_allclose(sample_size_means(mde, **test).n_control, [12, 20], rtol=1e-10)


def test_without_correlation_clusters_cost_nothing():
    single = sample_size_means([0.1, 0.25], var_control=1, ratio=2)
    plan = sample_size_clusters(single, [10, 40], 0.0)
    np.testing.assert_allclose([plan.n_control, plan.n_treatment], list(single))
    np.testing.assert_allclose(plan.clusters_treatment, single.n_treatment / [10, 40])


def test_identical_units_leave_one_per_cluster():
    np.testing.assert_allclose(cluster_variance(3.0, 25, 1.0), 3.0)
    np.testing.assert_allclose(design_effect(25, 1.0), 25)


def test_a_design_without_a_number_is_missing_and_stops_nobody():
    plan = sample_size_clusters(sample_size_means([0.25, 0.0, 0.25], var_control=1), [50, 50, 0], 0.05)
    assert np.isnan(plan.n_control).tolist() == [False, True, True]
    assert np.isnan(plan.rounded_up().clusters_control).tolist() == [False, True, True]
    assert np.isnan(cluster_variance(1, [0, np.nan], 0.05)).all()
