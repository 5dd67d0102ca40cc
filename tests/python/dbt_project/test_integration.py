"""The package installed in another project, as a stranger would: three lines of vars, own names of everything."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportions_ztest

ROOT = Path(__file__).resolve().parents[3]
SIZES = {"control": 400, "new": 420}


@pytest.fixture(scope="module")
def shop(tmp_path_factory, write_experiment):
    """Build the project in a copy; the package is read where it is."""
    folder = tmp_path_factory.mktemp("integration") / "project"
    shutil.copytree(
        ROOT / "tests" / "integration_project", folder, ignore=shutil.ignore_patterns("target", "dbt_packages", "logs")
    )
    packages = folder / "packages.yml"
    assert packages.read_text() == "packages:\n  - local: ../..\n"
    packages.write_text(f"packages:\n  - local: {ROOT}\n")

    rng = np.random.default_rng(17)
    arms = {
        variant: {
            "bought": (rng.random(n) < 0.2 + 0.1 * (variant == "new")).astype(float),
            "spent": rng.gamma(2, 20, n),
        }
        for variant, n in SIZES.items()
    }
    tables = write_experiment("Checkout", arms, traffic={"control": 50, "new": 50}, day=13)
    names = {
        "experiment": "ab_tests",
        "variant": "ab_arms",
        "assignment": "AB assignments v2",
        "kpi_outcome": "daily_facts",
    }
    columns = {"unit_id": "visitor_id", "assigned_at": "first_seen", "kpi_value": "amount"}
    file = folder / "shop.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute('create schema "web shop"')
        for name, table in tables.items():
            connection.register("content", table.rename(columns=columns))
            connection.execute(f'create table "web shop"."{names[name]}" as from content')
    done = {}
    for command in (("deps",), ("build",)):
        done[command[0]] = subprocess.run(
            [str(Path(sys.executable).with_name("dbt")), *command, "--no-use-colors"],
            cwd=folder,
            env=os.environ
            | {"SHOP_DUCKDB_PATH": str(file), "DBT_PROFILES_DIR": str(folder), "DBT_TARGET_PATH": "target"},
            capture_output=True,
            text=True,
            timeout=300,
        )
    return file, arms, done


def read(file, query):
    with duckdb.connect(str(file), read_only=True) as connection:
        return connection.execute(query).df()


def test_it_builds(shop):
    for command, done in shop[2].items():
        assert done.returncode == 0, f"dbt {command}\n{done.stdout[-6000:]}{done.stderr[-2000:]}"
    assert "Deprecat" not in shop[2]["build"].stdout


def test_the_projects_own_model_reads_a_mart(shop):
    file, arms, _ = shop
    row = read(file, "from analytics.winners").iloc[0]
    bought = [arms[v]["bought"] for v in ("control", "new")]
    _, p = proportions_ztest([b.sum() for b in bought[::-1]], [len(b) for b in bought[::-1]])
    assert (row["exp_id"], row["metric_id"], row["variant_id"]) == ("Checkout", "bought", "new")
    assert row["p_value"] == pytest.approx(p, rel=1e-9) and bool(row["is_significant"]) == (p <= 0.05)
    assert row["lift"] == pytest.approx(bought[1].mean() / bought[0].mean() - 1, rel=1e-9)
    spent = read(file, "from experiments.experiment_results where metric_id = 'spent'").iloc[0]
    test = stats.ttest_ind(arms["new"]["spent"], arms["control"]["spent"], equal_var=False)
    assert spent["p_value"] == pytest.approx(test.pvalue, rel=1e-9)
    assert (spent["n_control"], spent["n_treatment"]) == tuple(SIZES.values())


def test_schemas_are_used_as_they_are_and_no_demo_is_built(shop):
    tables = read(shop[0], "select table_schema, table_name from information_schema.tables")
    assert set(tables["table_schema"]) == {"web shop", "analytics", "experiments", "experiments_internal"}
    assert list(tables.query("table_schema == 'analytics'")["table_name"]) == ["winners"]
    assert not tables["table_name"].str.startswith("demo_").any()
    marts = set(tables.query("table_schema == 'experiments'")["table_name"])
    assert {"experiment_results", "experiment_health", "experiment_scorecard", "experiment_data_issue"} <= marts
