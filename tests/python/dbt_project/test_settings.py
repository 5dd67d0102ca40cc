"""Every wrong setting stops the run at once, in words that name what to change; YAML is as good as tables."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
import pytest

AS_OF = "2024-03-01"

SEARCH = {
    "exp_id": "search",
    "name": "New search ranking",
    "hypothesis": "It's better",
    "unit": "user",
    "start_time": "2024-01-01",
    "end_time": "2024-02-01",
    "variants": {"old": 0.5, "new": 0.5},
    "control": "old",
    "metrics": {
        "primary": {"metric": "ctr", "mde": 0.05, "alternative": "two_sided"},
        "guardrails": [{"metric": "errors_7d", "non_inferiority_margin": 0.1}],
        "secondary": ["clicks", "searches"],
    },
    "alpha": 0.01,
    "power": 0.9,
    "sequential": {"method": "obrien_fleming", "planned_units": 500},
    "min_duration_days": 3,
    "max_duration_days": 28,
}
METRICS = [
    {
        "metric_id": "ctr",
        "metric_type": "ratio",
        "numerator_kpi": "clicks",
        "denominator_kpi": "searches",
        "window": [0, 7],
        "direction": "increase",
    },
    {"metric_id": "errors_7d", "numerator_kpi": "errors", "window": [0, 7], "direction": "decrease"},
]


@pytest.fixture(scope="module")
def facts(write_experiment):
    """Assignment and outcomes of an experiment that is declared nowhere."""
    rng = np.random.default_rng(3)
    arms = {
        v: {
            "clicks": rng.poisson(2, 80),
            "searches": 1 + rng.poisson(6, 80),
            "errors": rng.poisson(1, 80),
        }
        for v in ("old", "new")
    }
    return write_experiment("search", arms, primary="ctr", assigned_days=2)


@pytest.fixture(scope="module")
def declared(new_project, facts):
    """The experiment in YAML, without tables for experiment, variant, metric and plan."""
    tables = {name: facts[name] for name in ("assignment", "kpi_outcome")}
    return new_project().load(**tables).must_run(as_of=AS_OF, experiments=[SEARCH], metrics=METRICS)


def test_yaml_and_tables_end_in_the_same_rows(declared, new_project, facts):
    tables = dict(facts)
    tables["experiment"] = facts["experiment"].assign(
        name="New search ranking", hypothesis="It's better", alpha=0.01, power=0.9, planned_units=500,
        min_duration_days=3, max_duration_days=28, sequential_method="obrien_fleming",
    )  # fmt: skip
    tables["variant"] = facts["variant"].assign(is_control=facts["variant"]["variant_id"] == "old")
    tables["metric"] = pd.DataFrame(
        {
            "metric_id": ["ctr", "errors_7d"],
            "metric_type": ["ratio", None],
            "numerator_kpi": ["clicks", "errors"],
            "denominator_kpi": ["searches", None],
            "window_start_day": 0,
            "window_end_day": 7,
            "direction": ["increase", "decrease"],
        }
    )
    tables["experiment_metric"] = pd.DataFrame(
        {
            "exp_id": "search",
            "metric_id": ["ctr", "errors_7d", "clicks", "searches"],
            "role": ["primary", "guardrail", "secondary", "secondary"],
            "mde": [0.05, None, None, None],
            "non_inferiority_margin": [None, 0.1, None, None],
        }
    )
    project = new_project().load(**tables).must_run(as_of=AS_OF)
    for name, schema, keys in (
        ("experiment", "experiments_internal", ["exp_id"]),
        ("variant", "experiments_internal", ["variant_id"]),
        ("metric", "experiments_internal", ["metric_id"]),
        ("experiment_metric", "experiments_internal", ["metric_id"]),
        ("experiment_results", "experiments", ["metric_id"]),
        ("experiment_health", "experiments", ["check_name", "scope"]),
        ("experiment_scorecard", "experiments", ["variant_id"]),
    ):
        got, want = (p.table(name, schema).sort_values(keys, ignore_index=True) for p in (declared, project))
        pd.testing.assert_frame_equal(got, want, check_dtype=False, rtol=1e-12, obj=name)
    assert len(declared.table("experiment_results")) == 4
    assert declared.result("search", "ctr")["status"] == "ok"
    assert declared.internal("experiment").loc[0, "hypothesis"] == "It's better"


def wrong(**changes):
    """The declaration with changes; a change to `...` takes the key away."""
    entry = copy.deepcopy(SEARCH)
    for key, value in changes.items():
        if value is ...:
            del entry[key]
        else:
            entry[key] = value
    return entry


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            # Several mistakes are told at once.
            {
                "experiments": [
                    wrong(exp_id="a", guardrials=[1]),
                    wrong(exp_id="b", variants={"old": 0.5, "new": 0.6}),
                    wrong(exp_id="c", control="oldd"),
                    wrong(exp_id="d", control=...),
                    wrong(exp_id="e", variants={"old": 1.0}),
                    wrong(exp_id="f", start_time=...),
                    wrong(exp_id="g", metrics={"secondary": ["clicks"]}),
                    wrong(exp_id="h", metrics={"primary": {"metric": "ctr", "mdee": 0.1}}),
                    wrong(exp_id="i", metrics={"primary": {"metric": "ctr", "alternative": "sideways"}}),
                    wrong(exp_id="j", sequential={"methood": "pocock"}),
                    wrong(exp_id="k", correction="bonferoni"),
                    wrong(exp_id="l"),
                    wrong(exp_id="l"),
                    wrong(exp_id=...),
                ],
                "metrics": [
                    *METRICS,
                    {"metric_id": "m1", "numerator_kpi": "clicks", "windw": [0, 7]},
                    {"metric_id": "m2", "metric_type": "ratio", "numerator_kpi": "clicks"},
                    {"metric_id": "m3"},
                    {"metric_id": "m4", "numerator_kpi": "clicks", "metric_type": "meen"},
                    {"metric_id": "m5", "numerator_kpi": "clicks", "aggregation": "total"},
                    {"metric_id": "m6", "numerator_kpi": "clicks", "window": 7},
                    {"metric_id": "m7", "numerator_kpi": "clicks", "cap_kind": "p99"},
                ],
            },
            [
                ("guardrials", "'a'"),
                ("'b'", "1.1"),
                ("'c'", "control"),
                ("'d'", "control"),
                ("'e'", "variants"),
                ("'f'", "start_time"),
                ("'g'", "primary"),
                ("mdee", "'h'"),
                ("sideways", "'i'"),
                ("methood", "'j'"),
                ("bonferoni", "'k'"),
                ("'l'", "twice"),
                ("no exp_id",),
                ("windw", "'m1'"),
                ("'m2'", "denominator_kpi"),
                ("'m3'", "numerator_kpi"),
                ("meen", "'m4'"),
                ("'m5'", "total"),
                ("'m6'", "window"),
                ("'m7'", "p99"),
            ],
        ),
        (
            {"experiments": [wrong(metrics={"primary": {"metric": "ctr"}, "secondary": ["ctrr"]})], "metrics": METRICS},
            [("ctrr", "not defined", "metrics")],
        ),
        (
            {
                "alpha": 1.5,
                "power": 0,
                "srm_warn_alpha": 0.0001,
                "score_below": -1,
                "skewness_corrected_from": 0.9,
                "multiple_variants_warn_share": 0.5,
                "default_window_days": 0,
                "default_covariate_days": -1,
                "min_units": 1,
                "min_duration_days": "soon",
                "few_clusters": 2.5,
                "correction_primary": "bonferoni",
                "as_of": "30.03.2024",
                "input_identifiers": {"assignments": "x"},
                "input_columns": {"assignment": {"unit": "x"}, "outcome": {"unit_id": "x"}},
                "marts_schema": "raw",
            },
            [
                ("alpha", "1.5"),
                ("power", "between 0 and 1"),
                ("srm_fail_alpha", "srm_warn_alpha", "not below"),
                ("score_below", "-1", "a number of units, 0 or more"),
                ("skewness_corrected_from (0.9)", "skewness_limit (0.7)", "corrected must come before"),
                ("multiple_variants_warn_share", "multiple_variants_fail_share"),
                ("default_window_days", "at least 1"),
                ("default_covariate_days", "-1"),
                ("min_units", "at least 2"),
                ("min_duration_days", "soon"),
                ("few_clusters", "2.5"),
                ("correction_primary", "bonferoni"),
                ("as_of", "30.03.2024"),
                ("input_identifiers", "'assignments'"),
                ("input_columns", "'unit'"),
                ("input_columns", "'outcome'"),
                ("marts_schema", "inputs_schema"),
            ],
        ),
        # A date that no calendar has is not a date either.
        ({"as_of": "2024-02-31"}, [("as_of", "2024-02-31")]),
    ],
    ids=["declarations", "undefined metric", "vars", "no such day"],
)
def test_wrong_settings_are_named(new_project, facts, settings, words):
    tables = {name: facts[name] for name in ("assignment", "kpi_outcome")}
    if "experiments" not in settings:
        tables = facts
    project = new_project().load(**tables)
    outcome = project.run(**settings)
    assert not outcome.success
    lines = outcome.error.splitlines()
    for parts in words:
        assert any(all(part in line for part in parts) for line in lines), f"{parts} not named in:\n{outcome.error}"
    # Nothing was built before the settings were refused.
    assert project.sql("select count(*) as n from duckdb_tables() where schema_name = 'experiments'")["n"].item() == 0


def test_ill_typed_declarations_are_named(project, facts):
    project.load(**{name: facts[name] for name in ("assignment", "kpi_outcome")})
    outcome = project.run(
        experiments=[
            wrong(exp_id="a", variants={"old": "half", "new": 0.5}),
            wrong(exp_id="b", start_time="soon"),
            wrong(exp_id="c", alpha="small"),
            "d",
        ],
        metrics=[*METRICS, {"metric_id": "m", "numerator_kpi": "clicks", "cap_upper": "big"}],
    )
    assert not outcome.success
    lines = outcome.error.splitlines()
    for parts in (("'a'", "half"), ("'b'", "soon"), ("'c'", "small"), ("'m'", "cap_upper", "big")):
        assert any(all(part in line for part in parts) for line in lines), f"{parts} not named in:\n{outcome.error}"


def test_an_experiment_declared_both_ways_is_refused(project, facts):
    outcome = project.load(**facts).run(experiments=[SEARCH], metrics=METRICS)
    assert not outcome.success
    assert "search" in outcome.error and "both" in outcome.error
    # Its metric as well.
    metric = pd.DataFrame({"metric_id": ["ctr"], "numerator_kpi": ["clicks"], "denominator_kpi": ["searches"]})
    outcome = project.load(metric=metric).run(metrics=METRICS)
    assert not outcome.success
    assert "ctr" in outcome.error and "both" in outcome.error


@pytest.mark.parametrize("table", ["experiment", "variant", "assignment", "kpi_outcome"])
def test_a_missing_table_is_named(project, facts, table):
    outcome = project.load(**{name: content for name, content in facts.items() if name != table}).run()
    assert not outcome.success
    line = next(line for line in outcome.error.splitlines() if f" {table} " in line)
    for words in (f'"raw"."{table}"', "inputs_schema", "input_identifiers"):
        assert words in line, outcome.error


def test_missing_columns_are_named_together(project, facts):
    broken = {
        "experiment": facts["experiment"].drop(columns="unit"),
        "variant": facts["variant"].drop(columns="traffic_pct"),
        "assignment": facts["assignment"].drop(columns=["unit_id", "assigned_at"]),
        "kpi_outcome": facts["kpi_outcome"].drop(columns="kpi_value"),
    }
    outcome = project.load(**broken).run()
    assert not outcome.success
    lines = outcome.error.splitlines()
    for table, column in (
        ("experiment", "unit"),
        ("variant", "traffic_pct"),
        ("assignment", "unit_id"),
        ("assignment", "assigned_at"),
        ("kpi_outcome", "kpi_value"),
    ):
        assert any(table in line and f"'{column}'" in line and "input_columns" in line for line in lines), outcome.error


def test_an_optional_table_that_was_named_must_exist(project, facts):
    outcome = project.load(**facts).run(input_identifiers={"exposure": "seen"})
    assert not outcome.success
    assert "exposure" in outcome.error and "seen" in outcome.error and "input_identifiers" in outcome.error


def test_settings_that_are_right_are_accepted(project, facts):
    tables = facts | {"variant": facts["variant"].assign(is_control=facts["variant"]["variant_id"] == "old")}
    tables["experiment"] = tables["experiment"].assign(primary_kpi="clicks")
    settings = {"as_of": AS_OF, "alpha": 0.1, "marts_schema": "AB results", "internal_schema": "ab_internal"}
    project.load(**tables).must_run(**settings)
    results = project.table("experiment_results", "AB results")
    assert set(results["alpha"]) == {0.1}
    schemas = set(project.sql("select distinct table_schema from information_schema.tables")["table_schema"])
    assert schemas == {"raw", "AB results", "ab_internal"}


# --- mistakes in tables: reported, and they stop nothing --------------------------------------------------------------


def test_mistakes_in_the_metric_and_plan_tables(project, facts):
    metric = pd.DataFrame(
        [
            ("good", "mean", "clicks", None, "sum", 0, 7),
            ("good", "mean", "searches", None, "sum", 0, 7),
            (None, "mean", "clicks", None, "sum", 0, 7),
            ("no_den", "ratio", "clicks", None, "sum", 0, 7),
            ("odd_type", "meen", "clicks", None, "sum", 0, 7),
            ("odd_sum", "mean", "clicks", None, "total", 0, 7),
            ("backwards", "mean", "clicks", None, "sum", 7, 7),
            ("from_before", "mean", "clicks", None, "sum", -1, 7),
            ("no_num", "mean", None, None, "sum", 0, 7),
            ("den_of_mean", "mean", "clicks", "searches", "sum", 0, 7),
            ("not_binary", "proportion", "clicks", None, "sum", 0, 7),
        ],
        columns=[
            "metric_id",
            "metric_type",
            "numerator_kpi",
            "denominator_kpi",
            "aggregation",
            "window_start_day",
            "window_end_day",
        ],
    )
    names = [m for m in metric["metric_id"].dropna().unique() if m != "good"]
    plan = pd.DataFrame(
        [
            ("search", "good", "primary", None, "two_sided"),
            ("search", "nowhere", "secondary", None, "two_sided"),
            ("search", "searches", "seconday", None, "two_sided"),
            ("search", "errors", "guardrail", -0.1, "two_sided"),
            ("search", "clicks", "secondary", None, "sideways"),
            *(("search", name, "exploratory", None, "two_sided") for name in names),
        ],
        columns=["exp_id", "metric_id", "role", "non_inferiority_margin", "alternative"],
    )
    tables = facts | {"variant": facts["variant"].assign(is_control=facts["variant"]["variant_id"] == "old")}
    project.load(**tables, metric=metric, experiment_metric=plan).must_run(as_of=AS_OF)
    rows = project.results("search")
    assert rows["status"].to_dict() == {
        "good": "ok",
        "nowhere": "unknown_metric",
        "searches": "unknown_role",
        "errors": "bad_margin",
        "clicks": "unknown_alternative",
        "no_den": "ratio_without_denominator",
        "odd_type": "unknown_metric_type",
        "odd_sum": "unknown_aggregation",
        "backwards": "bad_window",
        "from_before": "bad_window",
        "no_num": "no_numerator",
        "den_of_mean": "denominator_without_ratio",
        "not_binary": "not_binary",
    }
    assert rows.query("status != 'ok'")["p_value"].isna().all()
    issues = project.issues()
    assert issues["metric", None, "duplicate_metric"] == 1 and issues["metric", None, "null_key"] == 1
    for name in names:
        if name != "not_binary":
            assert issues["metric", None, rows.loc[name, "status"]] >= 1
            assert issues["experiment_metric", "search", rows.loc[name, "status"]] >= 1
    assert issues["experiment_metric", "search", "unknown_metric"] == 1
