"""The same experiment in many clothes: other names, types, cases and zones give the same results."""

from __future__ import annotations

import uuid

import numpy as np
import pandas as pd
import pytest

AS_OF = "2024-03-01"
COLUMNS = [
    "n_control", "n_treatment", "mean_control", "mean_treatment", "effect", "effect_se", "p_value",
    "p_value_unadjusted", "variance_reduction", "status", "estimator", "metric_type", "role", "variant_id",
    "control_variant_id",
]  # fmt: skip


@pytest.fixture(scope="module")
def tables(write_experiment):
    rng = np.random.default_rng(21)
    arms = {
        v: {
            "spend": np.round(rng.gamma(2, 10, 60), 2) * (rng.random(60) < 0.7),
            "signup": (rng.random(60) < 0.4).astype(float),
            "pre spend": np.round(rng.gamma(2, 10, 60), 2),
        }
        for v in ("control", "treatment")
    }
    return write_experiment("1", arms, assigned_days=3)


@pytest.fixture(scope="module")
def plain(new_project, tables):
    project = new_project().load(**tables).must_run(as_of=AS_OF)
    assert not project.issues()
    return project.results("1")[COLUMNS]


def same(project, plain, exp_id="1"):
    assert not project.issues()
    pd.testing.assert_frame_equal(project.results(exp_id)[COLUMNS], plain, rtol=1e-12, check_dtype=False)


def test_plain_tables_are_what_the_others_are_compared_with(plain):
    assert list(plain.index) == ["signup", "spend"]
    assert plain.loc["spend", "estimator"] == "cuped" and (plain["status"] == "ok").all()


def test_integer_and_uuid_ids(project, tables, plain):
    units = {unit: str(uuid.UUID(int=i)) for i, unit in enumerate(tables["assignment"]["unit_id"])}
    project.load(
        "plain",
        **{name: t.assign(unit_id=t["unit_id"].map(units)) if "unit_id" in t else t for name, t in tables.items()},
    )
    project.load(
        experiment="select * replace (cast(exp_id as integer) as exp_id) from plain.experiment",
        variant="select * replace (cast(exp_id as integer) as exp_id) from plain.variant",
        assignment="""select * replace (cast(exp_id as integer) as exp_id, cast(unit_id as uuid) as unit_id)
                      from plain.assignment""",
        # The same id as text on the other side.
        kpi_outcome="select * replace (cast(exp_id as bigint) as exp_id) from plain.kpi_outcome",
    ).must_run(as_of=AS_OF)
    same(project, plain)


def test_unicode_ids_and_names(project, tables, plain):
    def strange(text):
        return f"é'\"{text} 用户\\% {{{{ x }}}} 🎲"

    renamed = {
        name: table.assign(**{c: table[c].map(strange) for c in ("exp_id", "unit_id") if c in table})
        for name, table in tables.items()
    }
    project.load(**renamed).must_run(as_of=AS_OF)
    same(project, plain, strange("1"))
    assert project.decision(strange("1"))["reason"]


def test_schemas_and_tables_with_odd_names(project, tables, plain):
    schema = "données Brutes 2"
    names = {
        "assignment": "A/B Assignments v2",
        "kpi_outcome": "order",
        "experiment": "Experiment's",
        "variant": "select",
    }
    project.load(schema, **{names.get(name, name): table for name, table in tables.items()})
    project.must_run(inputs_schema=schema, input_identifiers=names, as_of=AS_OF)
    same(project, plain)


def test_columns_with_other_names(project, tables, plain):
    project.load(
        assignment=tables["assignment"].rename(columns={"unit_id": "User Id", "assigned_at": "First Seen"}),
        kpi_outcome=tables["kpi_outcome"].rename(columns={"unit_id": "user", "kpi_value": "Wert"}),
        # Names are compared without case.
        experiment=tables["experiment"].rename(columns=str.upper),
        variant=tables["variant"].rename(columns=str.title),
    ).must_run(
        as_of=AS_OF,
        input_columns={
            "assignment": {"unit_id": "User Id", "assigned_at": "first seen"},
            "kpi_outcome": {"unit_id": "user", "kpi_value": "Wert"},
        },
    )
    same(project, plain)


def test_everything_as_text(project, tables, plain):
    project.load("plain", **tables)
    project.load(**{name: f"select columns(*)::varchar from plain.{name}" for name in tables}).must_run(as_of=AS_OF)
    same(project, plain)


def test_zoned_timestamps_are_utc(project, tables, plain):
    """A stamp with a zone means its moment in UTC, whatever the zone it was written in."""
    project.load("plain", **tables)
    project.load(
        experiment="select * replace (start_time at time zone 'UTC' as start_time) from plain.experiment",
        variant="from plain.variant",
        assignment="""select * replace (cast(
                          strftime(assigned_at + interval 14 hours, '%Y-%m-%d %H:%M:%S') || '+14:00' as timestamptz
                      ) as assigned_at) from plain.assignment""",
        kpi_outcome="""select * replace (cast(metric_date as timestamp) at time zone 'UTC' as metric_date)
                       from plain.kpi_outcome""",
    ).must_run(as_of=AS_OF)
    same(project, plain)
    got, want = (
        p.sort_values("unit_id")["assigned_at"] for p in (project.internal("assignment"), tables["assignment"])
    )
    assert list(got) == list(want)


def test_views_of_decimals_integers_and_timestamps(project, tables, plain):
    project.load("plain", **tables)
    project.sql("create schema raw")
    for name, query in {
        "experiment": "select * replace (cast(start_time as date) as start_time) from plain.experiment",
        "variant": "select exp_id, variant_id, cast(50 as tinyint) as traffic_pct from plain.variant",
        "assignment": "select * replace (cast(assigned_at as timestamp_s) as assigned_at) from plain.assignment",
        "kpi_outcome": """select * replace (cast(kpi_value as decimal(18, 2)) as kpi_value,
                          cast(metric_date as timestamp) + interval 23 hours as metric_date) from plain.kpi_outcome""",
    }.items():
        project.sql(f"create view raw.{name} as {query}")
    project.must_run(as_of=AS_OF)
    same(project, plain)


def test_unreadable_values_are_reported_not_zero(project, tables):
    project.load("plain", **tables)
    project.load(
        experiment="from plain.experiment",
        variant="from plain.variant",
        assignment="""select * replace (assigned_at::varchar as assigned_at) from plain.assignment
                      union all by name
                      select '1' as exp_id, 'u' as unit_id, 'control' as variant_id, 'yesterday' as assigned_at""",
        kpi_outcome="""select * replace (kpi_value::varchar as kpi_value) from plain.kpi_outcome
                       union all
                       select '1', '1-control-0', date '2024-01-20', 'spend', 'ten'""",
    ).must_run(as_of=AS_OF)
    assert dict(project.issues()) == {
        ("assignment", "1", "null_key"): 1,
        ("kpi_outcome", "1", "non_finite_value"): 1,
    }


def test_optional_columns_and_tables(project, tables, plain):
    """Present but empty of meaning, they change nothing; present and used, they show."""
    experiment = tables["experiment"].assign(
        hypothesis="More", owner="me", alpha=0.01, power=0.9, planned_units=1000, min_duration_days=3,
        max_duration_days=9, sequential_method=None, correction="bonferroni", cluster_unit=None,
    )  # fmt: skip
    project.load(
        experiment=experiment,
        variant=tables["variant"].assign(is_control=tables["variant"]["variant_id"] == "treatment"),
        assignment=tables["assignment"].assign(cluster_id=None, stratum="a", loaded_at=pd.Timestamp("2024-01-09")),
        kpi_outcome=tables["kpi_outcome"].assign(loaded_at=pd.Timestamp("2024-01-09")),
        eligible_unit=tables["assignment"][["exp_id", "unit_id"]].assign(eligible_at=pd.Timestamp("2024-01-01")),
    ).must_run(as_of=AS_OF)
    rows = project.results("1")
    assert set(rows["variant_id"]) == {"control"} and set(rows["control_variant_id"]) == {"treatment"}
    assert rows["effect"].to_numpy() == pytest.approx(-plain["effect"].to_numpy(), rel=1e-9)
    assert set(rows["alpha"]) == {0.01} and set(rows["correction"]) == {"bonferroni"}
    checks = project.health("1")
    assert checks.loc["assignment_rate", "status"] == "pass"
    assert checks.loc["late_data", "status"] == "warn" and checks.loc["late_data", "statistic"] == 1


def test_clusters_of_one_unit_are_no_clusters(project, tables, plain):
    each = tables["assignment"].assign(cluster_id=tables["assignment"]["unit_id"])
    project.load(**(tables | {"assignment": each})).must_run(as_of=AS_OF)
    same(project, plain)


def test_traffic_as_fractions_or_percent(project, tables, stack):
    plans = {"a": (50, 50), "b": (0.5, 0.5), "c": (0.9, 0.1), "d": (90, 10), "e": (1, 99)}
    project.load(
        **stack(
            *(
                {
                    name: table.assign(exp_id=exp_id)
                    for name, table in (tables | {"variant": tables["variant"].assign(traffic_pct=plan)}).items()
                }
                for exp_id, plan in plans.items()
            )
        )
    ).must_run(as_of=AS_OF)
    shares = project.internal("variant").set_index(["exp_id", "variant_id"])["traffic_share"]
    for exp_id, (control, treatment) in plans.items():
        assert shares[exp_id, "control"] == pytest.approx(control / (control + treatment), rel=1e-12)
        assert project.health(exp_id).loc["srm", "status"] == ("pass" if control == treatment else "fail")


# --- nothing there ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("empty", [("kpi_outcome",), ("assignment", "kpi_outcome"), "all"])
def test_empty_inputs(project, tables, empty):
    names = list(tables) if empty == "all" else list(empty)
    project.load(**{name: table.iloc[:0] if name in names else table for name, table in tables.items()})
    outcome = project.build("--exclude-resource-type", "unit_test") if empty == "all" else project.run()
    assert outcome.success, outcome.error
    results = project.table("experiment_results")
    if "experiment" in names:
        assert len(results) == 0 and len(project.table("experiment_scorecard")) == 0
    else:
        assert len(results) >= 1 and (results["status"] != "ok").all() and results["p_value"].isna().all()
        assert set(project.table("experiment_scorecard")["decision"]) <= {"keep_running", "inconclusive", "invalid"}
    # Types do not drift where there are no rows.
    types = dict(project.sql("describe experiments.experiment_results")[["column_name", "column_type"]].to_numpy())
    assert types["p_value"] == "DOUBLE" and types["is_significant"] == "BOOLEAN" and types["as_of"] == "DATE"
    assert types["exp_id"] == "VARCHAR" and types["n_control"] == "BIGINT"


def test_build_with_the_empty_flag(project, tables):
    outcome = project.load(**tables).build("--empty")
    assert outcome.success, outcome.error
    assert len(project.table("experiment_results")) == 0
