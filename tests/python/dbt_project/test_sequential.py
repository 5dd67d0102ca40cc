"""Sequential plans from unit rows to the scorecard, and what a past date would have said."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq
from scipy.stats import multivariate_normal, norm, t, ttest_ind

from python_stats.sequential.spending import alpha_spending

DAYS = 3
SETTINGS = {"default_window_days": 2, "default_covariate_days": 14, "always_valid_target_units": 500}
SEQUENTIAL = [
    "sequential_method", "information_fraction", "is_over_planned", "sequential_statistic", "sequential_boundary",
    "sequential_p_value", "sequential_ci_low", "sequential_ci_high", "sequential_lift_ci_low",
    "sequential_lift_ci_high", "is_crossed", "first_crossed_on", "always_valid_p_value", "always_valid_ci_low",
    "always_valid_ci_high",
]  # fmt: skip


def values(seed, n, mean=10.0):
    return np.random.default_rng(seed).normal(mean, 3.0, n)


UNITS = {
    "obf": (values(1, 150), values(2, 150, 10.9)),
    "mirrored": (values(2, 150, 10.9), values(1, 150)),
    "power": (values(3, 120), values(4, 120, 10.6)),
    "one_sided": (values(5, 120), values(6, 120, 10.6)),
}
CLUSTERS = 7


@pytest.fixture(scope="module")
def programme(write_experiment, stack):
    """Write every case as an experiment of one set of tables."""

    def plan(exp_id, arms, sequential, planned=None, parameter=None, end="2024-02-01", **more):
        tables = write_experiment(exp_id, arms, assigned_days=DAYS, end=end, **more)
        tables["experiment"] = tables["experiment"].assign(
            sequential_method=sequential, planned_units=planned, sequential_parameter=parameter, min_duration_days=2
        )
        return tables

    def arms(exp_id, kpi="v"):
        control, treatment = UNITS[exp_id]
        return {"control": {kpi: control}, "treatment": {kpi: treatment}}

    rng = np.random.default_rng(9)
    pre = {name: rng.normal(10, 3, 120) for name in ("control", "treatment")}
    adjusted = {
        name: {"v": 0.8 * pre[name] + rng.normal(2 + shift, 1, 120), "pre v": pre[name]}
        for name, shift in (("control", 0.0), ("treatment", 0.5))
    }
    market = {
        name: [f"{name}-{i % CLUSTERS}" for i in range(105)] for name in ("control", "treatment")
    }  # every cluster has units on every day
    level = rng.normal(0, 1, 2 * CLUSTERS)
    clustered = {
        name: {"v": np.array([10 + level[i % CLUSTERS + start] for i in range(105)]) + rng.normal(0, 1, 105)}
        for name, start in (("control", 0), ("treatment", CLUSTERS))
    }
    tables = stack(
        plan("obf", arms("obf"), "obrien_fleming", 300),
        plan("mirrored", arms("mirrored"), "obrien_fleming", 300),
        plan("power", arms("power"), "power", 300, 3.0),
        plan("one_sided", arms("one_sided"), "pocock", 240),
        plan("adjusted", adjusted, "pocock", 240),
        plan("clustered", clustered, "obrien_fleming", 210, clusters=market),
        plan("three_arms", {"control": {"v": values(11, 90)}, "a": {"v": values(12, 60)}, "b": {"v": values(13, 60)}},
             "pocock", 400, traffic={"control": 0.5, "a": 0.3, "b": 0.2}),
        plan("over", arms("power"), "pocock", 160),
        plan("fixed", arms("power"), None, 240),
        plan("any_time", arms("power"), "always_valid"),
        plan("endless", arms("power"), "pocock"),
        plan("word", arms("power"), "sprt", 240),
        plan("open", arms("power", kpi="w"), "pocock", 240),
        plan("early", {"control": {"v": values(21, 150)}, "treatment": {"v": values(22, 150, 14.0)}},
             "obrien_fleming", 600, end=None),
        plan("not_yet", {"control": {"v": values(23, 150)}, "treatment": {"v": values(24, 150, 11.2)}},
             "obrien_fleming", 600, end=None),
    )  # fmt: skip
    tables["metric"] = pd.DataFrame(
        {
            "metric_id": ["w"],
            "numerator_kpi": ["w"],
            "window_start_day": [0],
            "window_end_day": pd.array([None], "Int64"),
        }
    )
    tables["experiment_metric"] = pd.DataFrame(
        {"exp_id": ["one_sided"], "metric_id": ["v"], "role": ["primary"], "alternative": ["greater"]}
    )
    return tables


@pytest.fixture(scope="module")
def project(shared_project, programme):
    """Build it once, as of the day on which the last unit matured."""
    return shared_project.load(**programme).must_run(**SETTINGS)


@pytest.fixture(scope="module")
def daily(project):
    """Looks of all experiments, in order."""
    rows = project.table("experiment_results_daily")
    return rows.sort_values(["exp_id", "variant_id", "metric_id", "look_date"], ignore_index=True)


def of(daily, exp_id, variant_id=None):
    rows = daily[daily["exp_id"] == exp_id]
    return (rows if variant_id is None else rows[rows["variant_id"] == variant_id]).reset_index(drop=True)


def boundaries_by_hand(information, spent):
    ratio = np.asarray(information)[:, None] / np.asarray(information)
    correlation = np.sqrt(np.minimum(ratio, 1 / ratio))
    found = []
    for look, alpha in enumerate(spent):
        normal = multivariate_normal(cov=correlation[: look + 1, : look + 1], abseps=1e-7, maxpts=10**5)
        found.append(brentq(lambda b, d=normal, a=alpha: d.cdf([*found, b]) - (1 - a), 1.0, 9.0, xtol=1e-6))
    return np.array(found)


def first_days(units, days):
    return units[np.arange(units.size) % DAYS < days]


@pytest.mark.parametrize(
    ("exp_id", "planned", "design"),
    [
        ("obf", 300, {"spending": "obrien_fleming", "alpha": 0.025}),
        ("power", 300, {"spending": "power", "parameter": 3.0, "alpha": 0.025}),
        ("one_sided", 240, {"spending": "pocock", "alpha": 0.05}),
    ],
)
def test_looks_are_those_of_the_unit_rows(daily, exp_id, planned, design):
    control, treatment = UNITS[exp_id]
    tests = [ttest_ind(first_days(treatment, k), first_days(control, k), equal_var=False) for k in (1, 2, 3)]
    effect = np.array([first_days(treatment, k).mean() - first_days(control, k).mean() for k in (1, 2, 3)])
    statistic, df = np.array([test.statistic for test in tests]), np.array([test.df for test in tests])
    se = effect / statistic
    z = np.sign(statistic) * norm.isf(t.sf(np.abs(statistic), df))
    units = (control.size + treatment.size) * np.array([1, 2, 3]) / 3
    boundary = boundaries_by_hand(se**-2.0, alpha_spending(units / planned, **design))
    width = t.isf(norm.sf(boundary), df)

    got = of(daily, exp_id)
    np.testing.assert_allclose(got["sequential_statistic"], z, rtol=1e-8)
    np.testing.assert_allclose(got["information_fraction"], units / planned)
    np.testing.assert_allclose(got["sequential_boundary"], boundary, atol=3e-4)
    np.testing.assert_allclose(got["sequential_ci_low"], effect - width * se, atol=1e-3)
    crossed = np.logical_or.accumulate((z if exp_id == "one_sided" else np.abs(z)) >= boundary)
    np.testing.assert_array_equal(got["is_crossed"].astype(bool), crossed)
    np.testing.assert_array_equal(got["sequential_p_value"] <= 0.05, crossed)
    if exp_id == "one_sided":
        assert np.isposinf(got["sequential_ci_high"]).all()
    else:
        np.testing.assert_allclose(got["sequential_ci_high"], effect + width * se, atol=1e-3)


def test_swapping_the_arms_mirrors(daily):
    one, other = of(daily, "obf"), of(daily, "mirrored")
    np.testing.assert_allclose(other["sequential_statistic"], -one["sequential_statistic"], rtol=1e-9)
    np.testing.assert_allclose(other["sequential_ci_low"], -one["sequential_ci_high"], rtol=1e-5)
    np.testing.assert_allclose(other["sequential_p_value"], one["sequential_p_value"], rtol=1e-3)


@pytest.mark.parametrize(("exp_id", "spending"), [("adjusted", "pocock"), ("clustered", "obrien_fleming")])
def test_adjusted_and_clustered_estimates_are_monitored_by_their_own_precision(daily, project, exp_id, spending):
    got = of(daily, exp_id)
    assert set(got["estimator"]) == {{"adjusted": "cuped", "clustered": "cluster"}[exp_id]}
    looks = project.internal("look").query("exp_id == @exp_id").sort_values("look_date")
    statistic, df = looks["statistic"].to_numpy(float), looks["df"].to_numpy(float)
    np.testing.assert_allclose(norm.sf(np.abs(got["sequential_statistic"])), t.sf(np.abs(statistic), df), rtol=1e-8)
    time = got["information_fraction"].to_numpy(float)
    information = got["effect_se"].to_numpy(float) ** -2.0
    assert np.all(np.diff(information) > 0)
    boundary = boundaries_by_hand(information, alpha_spending(time, alpha=0.025, spending=spending))
    np.testing.assert_allclose(got["sequential_boundary"], boundary, atol=3e-4)
    width = t.isf(norm.sf(boundary), df)
    np.testing.assert_allclose(got["sequential_ci_high"], got["effect"] + width * got["effect_se"], rtol=1e-3)
    if exp_id == "clustered":
        # Units of clusters that are there already are little information, and few clusters are no normal reference.
        assert information[-1] / information[0] < 1.5
        assert np.all(width > 1.1 * boundary)


def test_each_pair_of_arms_has_its_share_of_the_plan(daily):
    for variant_id, share in (("a", 0.8), ("b", 0.7)):
        got = of(daily, "three_arms", variant_id)
        units = (got["n_control"] + got["n_treatment"]).to_numpy(float)
        np.testing.assert_allclose(got["information_fraction"], units / (400 * share))


def test_trap_more_units_than_planned_are_clamped_and_flagged(daily):
    got = of(daily, "over")
    assert got["information_fraction"].to_list() == [0.5, 1.0, 1.0]
    assert got["is_over_planned"].astype(bool).to_list() == [False, False, True]
    assert got["sequential_boundary"].isna().to_list() == [False, False, True]
    assert got["sequential_p_value"].iloc[2] == got["sequential_p_value"].iloc[1]


def test_trap_sequential_columns_never_overwrite_the_fixed_ones(daily):
    fixed, monitored = of(daily, "fixed"), of(daily, "any_time")
    same = ["effect", "effect_se", "effect_ci_low", "effect_ci_high", "p_value", "lift", "lift_ci_low"]
    pd.testing.assert_frame_equal(fixed[same], monitored[same])
    assert fixed[[name for name in SEQUENTIAL if not name.startswith("always")]].isna().all(axis=None)
    assert monitored["sequential_p_value"].notna().all()
    assert set(monitored["sequential_method"]) == {"asymptotic_cs"}
    for limit in ("p_value", "ci_low", "ci_high"):
        pd.testing.assert_series_equal(
            monitored[f"sequential_{limit}"], monitored[f"always_valid_{limit}"], check_names=False
        )
    assert (monitored["sequential_ci_low"] < monitored["effect_ci_low"]).all()


def test_a_method_that_cannot_be_used_leaves_a_fixed_horizon_and_warns(daily, project):
    for exp_id, issue, words in (
        ("endless", "no_planned_units", "needs planned_units"),
        ("word", "unknown_sequential_method", "is not known"),
    ):
        assert of(daily, exp_id)["sequential_method"].isna().all()
        assert project.result(exp_id, "v")["p_value_adjusted"] == project.result(exp_id, "v")["p_value"]
        check = project.health(exp_id).loc["configuration"]
        assert check["status"] == "warn"
        assert words in check["message"] and "fixed horizon" in check["message"]
        assert project.issues()["experiment", exp_id, issue] == 1


def test_an_open_window_is_no_schedule_of_looks(daily):
    got = of(daily, "open")
    assert len(got) == 1
    assert got["sequential_method"].isna().all()
    assert got["always_valid_p_value"].notna().all()


def test_a_boundary_crossed_early_decides_and_says_so(daily, project):
    looks = of(daily, "early")
    crossing = looks[looks["is_crossed"].astype(bool)].iloc[0]
    assert looks["information_fraction"].iloc[-1] == pytest.approx(0.5)
    decision = project.decision("early")
    assert decision["decision"] == "ship"
    assert str(crossing["first_crossed_on"].date()) in decision["reason"]
    boundary, z = crossing["sequential_boundary"], crossing["sequential_statistic"]
    assert f"z = {z:.2f} crossed the boundary {boundary:.2f}" in decision["reason"]
    assert "sequential interval" in decision["reason"]
    result = project.result("early", "v")
    assert result["p_value_adjusted"] == pytest.approx(result["sequential_p_value"])
    assert result["p_value_adjusted"] > result["p_value"]


def test_a_small_p_before_the_boundary_decides_nothing(daily, project):
    result = project.result("not_yet", "v")
    assert result["p_value"] < 0.05
    assert result["sequential_p_value"] > 0.05
    assert not result["is_significant"]
    decision = project.decision("not_yet")
    assert decision["decision"] == "keep_running"
    assert "300 of 600 planned units" in decision["reason"]
    assert "the boundary is not crossed" in decision["reason"]
    assert not daily["exp_id"].isna().any()


def test_a_past_date_would_have_said_the_same(daily, new_project, programme):
    before = str((daily["look_date"].max() - pd.Timedelta(days=1)).date())
    past = new_project().load(**programme).must_run(**SETTINGS, as_of=before).table("experiment_results_daily")
    keys = ["exp_id", "metric_id", "variant_id", "look_date"]
    closed = daily["exp_id"] != "open"
    both = past.merge(daily[closed], on=keys, suffixes=("", "_later"))
    assert len(both) == len(past[past["exp_id"] != "open"]) == closed.sum() * 2 / 3
    for name in SEQUENTIAL:
        if both[name].dtype == "float64":
            np.testing.assert_allclose(both[name], both[f"{name}_later"], rtol=1e-3, err_msg=name)
        else:
            pd.testing.assert_series_equal(both[name], both[f"{name}_later"], check_names=False)


def test_declarations_that_cannot_be_monitored_are_refused_in_words(new_project, programme):
    def declared(exp_id, sequential):
        return {
            "exp_id": exp_id, "unit": "user", "start_time": "2024-01-01",
            "variants": {"control": 0.5, "treatment": 0.5},
            "metrics": {"primary": "v"}, "sequential": sequential,
        }  # fmt: skip

    outcome = new_project().load(**programme).run(
        **SETTINGS,
        experiments=[
            declared("d1", {"method": "sprt", "planned_units": 100}),
            declared("d2", {"method": "pocock"}),
            declared("d3", {"method": "power", "planned_units": 100, "parameter": 0}),
            declared("d4", {"method": "pocock", "planned_units": 100, "parameter": 2}),
            declared("d5", "pocock"),
            declared("d6", {"method": "pocock", "planned_units": 100, "gamma": 2}),
            declared("good", {"method": "hwang_shih_decani", "planned_units": 100, "parameter": -2}),
        ],
    )  # fmt: skip
    assert not outcome.success
    for words in (
        "'d1' of the var experiments has the sequential method 'sprt' (allowed: obrien_fleming, pocock, power",
        "'d2' of the var experiments has the sequential method 'pocock' without planned_units",
        "'d3' of the var experiments has the sequential parameter '0'",
        "'d4' of the var experiments has a sequential parameter, which the methods",
        "sequential of the experiment 'd5' of the var experiments is 'pocock', not a map",
        "unknown key 'gamma' in sequential of the experiment 'd6'",
    ):
        assert words in outcome.error, outcome.error
    assert "'good'" not in outcome.error
