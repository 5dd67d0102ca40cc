"""The demo programme, as the first `dbt build` of a new user, and what dbt itself says about the project."""

from __future__ import annotations

import pandas as pd
import pytest
from dbt.cli.main import dbtRunner
from dbt.jsonschemas import jsonschemas

MARTS = [
    "experiment_results",
    "metric_estimate",
    "experiment_results_daily",
    "experiment_health",
    "experiment_scorecard",
    "experiment_power",
    "experiment_data_issue",
]


@pytest.fixture(scope="module")
def twice(new_project):
    """Build the demo twice in one file, the second time with every test of the project."""
    project = new_project()
    marts, outcomes = [], []
    for flags in (("--exclude-resource-type", "unit_test", "--exclude-resource-type", "test"), ()):
        # Nobody says `demo` here: run from its own folder, the project knows.
        outcomes.append(project.dbt("build", project.file, {}, *flags))
        assert outcomes[-1].success, outcomes[-1].error
        marts.append({mart: project.table(mart) for mart in MARTS})
    return project, marts, outcomes


@pytest.mark.parametrize("mart", MARTS)
def test_a_second_build_gives_the_same(twice, mart):
    first, second = (build[mart].sort_values(list(build[mart].columns[:8]), ignore_index=True) for build in twice[1])
    assert len(first) > 0
    pd.testing.assert_frame_equal(first, second, rtol=1e-12)


def test_every_test_passed(twice):
    tests = {node: status for node, status in twice[2][1].statuses.items() if node.startswith(("test.", "unit_test."))}
    assert len(tests) > 20
    assert {node: status for node, status in tests.items() if status != "pass"} == {}


def test_every_planned_comparison_has_a_number_or_a_reason(twice):
    project, marts, _ = twice
    plan = project.sql("from experiments_internal.experiment_metric")
    variants = project.sql("from experiments_internal.variant where not is_control")
    wanted = plan.merge(variants, on="exp_id")[["exp_id", "metric_id", "variant_id"]]
    results = marts[1]["experiment_results"]
    found = results.query("population == 'assigned' and dimension == 'all'")[["exp_id", "metric_id", "variant_id"]]
    assert sorted(map(tuple, found.to_numpy())) == sorted(map(tuple, wanted.to_numpy()))
    assert results["status"].notna().all()
    ok = results["status"] == "ok"
    assert ok.any() and results.loc[ok, "p_value"].between(0, 1).all()
    assert results.loc[~ok, ["p_value", "effect_se", "effect_ci_low"]].isna().all(axis=None)


def test_numbers_of_units_are_the_assignments(twice):
    project, marts, _ = twice
    results = marts[1]["experiment_results"]
    counts = project.sql("select exp_id, variant_id, count(*) as n from experiments_internal.assignment group by all")
    n = counts.set_index(["exp_id", "variant_id"])["n"]
    mature = results[(results["maturity_share"] == 1)]
    assert len(mature) > 0
    for row in mature.itertuples():
        assert row.n_control == n[row.exp_id, row.control_variant_id]
        assert row.n_treatment == n[row.exp_id, row.variant_id]
    assert (
        results["n_control"] + results["n_treatment"] <= n.groupby(level=0).sum()[results["exp_id"]].to_numpy()
    ).all()


def test_only_three_schemas_are_written(twice):
    schemas = twice[0].sql("select distinct table_schema from information_schema.tables")["table_schema"]
    assert set(schemas) == {"experiments", "experiments_internal"}


def deprecations(project, tmp_path):
    """Parse a project with dbt's schema checks on, which it runs for some adapters only, and give what they say."""
    said = []
    result = dbtRunner(callbacks=[lambda event: said.append(f"{event.info.name}: {event.info.msg}")]).invoke(
        [
            *("parse", "--no-partial-parse", "--show-all-deprecations", "--quiet"),
            *("--project-dir", str(project), "--profiles-dir", str(project)),
            *("--target-path", str(tmp_path / "target"), "--log-path", str(tmp_path / "logs")),
        ]
    )
    assert result.success, result.exception
    return [message for message in said if "Deprecat" in message.partition(":")[0]]


def test_nothing_is_deprecated(dbt_session, tmp_path, monkeypatch):
    adapters = jsonschemas._JSONSCHEMA_SUPPORTED_ADAPTERS
    monkeypatch.setattr(jsonschemas, "_JSONSCHEMA_SUPPORTED_ADAPTERS", {*adapters, "duckdb"})
    monkeypatch.setenv("EXPERIMENTS_DUCKDB_PATH", str(tmp_path / "warehouse.duckdb"))
    assert deprecations(dbt_session.project, tmp_path) == []

    # The check can fail: a key of one's own outside `meta` is deprecated, and found.
    old = tmp_path / "old"
    (old / "models").mkdir(parents=True)
    (old / "dbt_project.yml").write_text("name: old\nprofile: old\n")
    (old / "profiles.yml").write_text("old: {target: dev, outputs: {dev: {type: duckdb, path: ':memory:'}}}\n")
    (old / "models" / "a.sql").write_text("select 1 as one")
    (old / "models" / "a.yml").write_text("models: [{name: a, config: {my_own_key: 1}}]\n")
    assert any("my_own_key" in message for message in deprecations(old, tmp_path))
