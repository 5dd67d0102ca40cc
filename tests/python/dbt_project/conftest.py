"""A harness for the dbt project: write input tables, run dbt in this process, read the marts."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from dbt.adapters.factory import reset_adapters
from dbt.cli.main import dbtRunner

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[3]
DAY = pd.Timedelta(days=1)

# Every database file has this name, so that one parsed project serves all of them: dbt writes the name of the file, as
# the name of the database, into the relations that it parses.
FILE_NAME = "warehouse.duckdb"

# Vars that are read when models run, not when the project is parsed: they need no parse of their own.
RUN_TIME_VARS = ("as_of", "input_columns")


@dataclass
class Outcome:
    """What one dbt command did."""

    success: bool
    error: str
    statuses: dict[str, str]
    messages: list[str] = field(default_factory=list)


class Dbt:
    """dbt, once per session: every set of vars is parsed once and kept."""

    def __init__(self, work: Path, project: Path = ROOT) -> None:
        self.work = work
        self.project = project
        self.manifests: dict[tuple[tuple[str, str], ...], Any] = {}

    def _invoke(self, arguments: list[str], file: Path, manifest: Any = None) -> Any:
        before = os.environ.get("EXPERIMENTS_DUCKDB_PATH")
        os.environ["EXPERIMENTS_DUCKDB_PATH"] = str(file)
        try:
            return dbtRunner(manifest=manifest).invoke(
                [
                    *arguments,
                    *("--project-dir", str(self.project), "--profiles-dir", str(self.project)),
                    *("--target-path", str(self.work / "target"), "--log-path", str(self.work / "logs")),
                    *("--log-level-file", "none", "--log-level", "none", "--quiet"),
                ]
            )
        finally:
            # The adapter keeps the file open; another connection of this process would have to match its settings.
            reset_adapters()
            if before is None:
                del os.environ["EXPERIMENTS_DUCKDB_PATH"]
            else:
                os.environ["EXPERIMENTS_DUCKDB_PATH"] = before

    def manifest(self, file: Path, settings: dict[str, Any]) -> Any:
        """Give the parsed project, or raise what dbt says where it cannot be parsed."""
        parsed_for = tuple(
            sorted((k, json.dumps(v, default=str)) for k, v in settings.items() if k not in RUN_TIME_VARS)
        )
        if parsed_for not in self.manifests:
            parsed = self._invoke(["parse", "--vars", json.dumps(settings, sort_keys=True, default=str)], file)
            if not parsed.success:
                raise parsed.exception
            self.manifests[parsed_for] = parsed.result
        return self.manifests[parsed_for]

    def __call__(self, command: str, file: Path, settings: dict[str, Any], *flags: str) -> Outcome:
        """Run one dbt command on one database file."""
        text = json.dumps(settings, sort_keys=True, default=str)
        try:
            manifest = self.manifest(file, settings)
        except Exception as error:
            return Outcome(False, str(error), {})
        done = self._invoke([command, *flags, "--vars", text], file, manifest)
        results = [] if done.result is None or not hasattr(done.result, "__iter__") else list(done.result)
        statuses = {result.node.unique_id: str(result.status) for result in results}
        failed = [
            f"{result.node.unique_id}: {result.message}"
            for result in results
            if str(result.status) not in ("success", "pass", "skipped", "warn", "no-op")
        ]
        messages = [str(result.message) for result in results]
        return Outcome(done.success, "\n".join([*failed, str(done.exception or "")]).strip(), statuses, messages)


class Project:
    """One database file with its input tables and, after a run, its marts."""

    def __init__(self, dbt: Dbt, folder: Path) -> None:
        self.dbt = dbt
        self.file = folder / FILE_NAME

    def sql(self, query: str, *parameters: Any) -> pd.DataFrame:
        """Read (or change) the file directly."""
        with duckdb.connect(str(self.file)) as connection:
            return connection.execute(query, list(parameters)).df()

    def load(self, schema: str = "raw", **tables: pd.DataFrame | str) -> Project:
        """Write input tables from frames, or from the select statements that give them."""
        with duckdb.connect(str(self.file)) as connection:
            connection.execute(f'create schema if not exists "{schema}"')
            for name, content in tables.items():
                if isinstance(content, str):
                    query = content
                else:
                    connection.register("content", content)
                    query = "from content"
                connection.execute(f'create or replace table "{schema}"."{name}" as {query}')
        return self

    def run(self, *flags: str, command: str = "run", **settings: Any) -> Outcome:
        """Run the models (without their tests) on the tables of the schema `raw`."""
        return self.dbt(command, self.file, {"demo": False, "inputs_schema": "raw"} | settings, *flags)

    def build(self, *flags: str, **settings: Any) -> Outcome:
        """Run models and tests."""
        return self.run(*flags, command="build", **settings)

    def must_run(self, **settings: Any) -> Project:
        """Run the models, and fail the test with dbt's words where that does not work."""
        outcome = self.run(**settings)
        assert outcome.success, outcome.error
        return self

    def table(self, name: str, schema: str = "experiments") -> pd.DataFrame:
        """Read one table."""
        return self.sql(f'from "{schema}"."{name}"')

    def internal(self, name: str) -> pd.DataFrame:
        """Read one table that is not a mart."""
        return self.table(name, "experiments_internal")

    def results(self, exp_id: str) -> pd.DataFrame:
        """Read the results of one experiment by metric (and variant, where there are several)."""
        rows = self.table("experiment_results").query("exp_id == @exp_id")
        keys = ["metric_id", "variant_id"] if rows["variant_id"].nunique() > 1 else ["metric_id"]
        return rows.set_index(keys).sort_index()

    def result(self, exp_id: str, metric_id: str) -> pd.Series:
        """Read the one result of a metric with one treatment."""
        rows = self.table("experiment_results").query(
            "exp_id == @exp_id and metric_id == @metric_id and population == 'assigned'"
        )
        assert len(rows) == 1
        return rows.iloc[0]

    def health(self, exp_id: str) -> pd.DataFrame:
        """Read the checks of one experiment by name."""
        checks = self.table("experiment_health").query("exp_id == @exp_id")
        # A table has no order.
        return checks.sort_values(["check_name", "scope"]).set_index("check_name")

    def decision(self, exp_id: str) -> pd.Series:
        """Read the one row of an experiment in the scorecard."""
        rows = self.table("experiment_scorecard").query("exp_id == @exp_id")
        assert len(rows) == 1
        return rows.iloc[0]

    def issues(self) -> Counter[tuple[str, str | None, str]]:
        """Count the rows that were set aside, by (input, exp_id, reason)."""
        counts: Counter[tuple[str, str | None, str]] = Counter()
        for row in self.table("experiment_data_issue").itertuples():
            counts[row.input, None if pd.isna(row.exp_id) else row.exp_id, row.reason] += int(row.n_rows)
        return counts


def four_tables(
    exp_id: str,
    arms: dict[str, dict[str, np.ndarray]],
    *,
    primary: str | None = None,
    start: str = "2024-01-01",
    end: str | None = "2024-02-01",
    day: int = 1,
    pre_day: int = -3,
    assigned_days: int = 1,
    clusters: dict[str, list[str]] | None = None,
    traffic: dict[str, float] | None = None,
    prefix: str = "",
) -> dict[str, pd.DataFrame]:
    """Write an experiment as the four tables.

    ``arms`` gives, per variant and kpi, one value per unit; a kpi named ``pre <name>`` is the same kpi before the
    assignment. Zeros have no row, as in a real fact table. Units are assigned on ``assigned_days`` days in turn; the
    outcomes lie ``day`` days after (``pre_day``: before) each unit's assignment.
    """
    assignment, outcome = [], []
    for variant, kpis in arms.items():
        size = len(next(iter(kpis.values())))
        index = np.arange(size)
        unit = pd.Series([f"{prefix}{exp_id}-{variant}-{i}" for i in index])
        assigned_on = pd.Series(pd.Timestamp(start) + pd.to_timedelta(index % assigned_days, unit="D")).astype(
            "datetime64[us]"
        )
        frame = pd.DataFrame(
            {
                "exp_id": exp_id,
                "unit_id": unit,
                "variant_id": variant,
                "assigned_at": assigned_on + pd.Timedelta(hours=9),
            }
        )
        if clusters is not None:
            frame["cluster_id"] = clusters[variant]
        assignment.append(frame)
        for kpi, values in kpis.items():
            before = kpi.startswith("pre ")
            rows = pd.DataFrame(
                {
                    "exp_id": exp_id,
                    "unit_id": unit,
                    "metric_date": (assigned_on + (pre_day if before else day) * DAY).dt.date,
                    "kpi_name": kpi.removeprefix("pre "),
                    "kpi_value": np.asarray(values, dtype=float),
                }
            )
            outcome.append(rows[rows["kpi_value"] != 0])
    kpi_names = [kpi for kpi in next(iter(arms.values())) if not kpi.startswith("pre ")]
    shares = traffic or {variant: 1 / len(arms) for variant in arms}
    return {
        "experiment": pd.DataFrame(
            {
                "exp_id": [exp_id],
                "name": [f"Experiment {exp_id}"],
                "start_time": [pd.Timestamp(start)],
                "end_time": [pd.NaT if end is None else pd.Timestamp(end)],
                "unit": ["user"],
                "primary_kpi": [primary or kpi_names[0]],
            }
        ).astype({"start_time": "datetime64[us]", "end_time": "datetime64[us]"}),
        "variant": pd.DataFrame(
            {"exp_id": exp_id, "variant_id": list(shares), "traffic_pct": list(shares.values())},
        ),
        "assignment": pd.concat(assignment, ignore_index=True),
        "kpi_outcome": pd.concat(outcome, ignore_index=True),
    }


def stacked(*programmes: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Put several experiments into the same tables; a column that one of them lacks is null there."""
    names = dict.fromkeys(name for programme in programmes for name in programme)
    return {
        name: pd.concat([programme[name] for programme in programmes if name in programme], ignore_index=True)
        for name in names
    }


@pytest.fixture(scope="session")
def dbt_session(tmp_path_factory: pytest.TempPathFactory) -> Dbt:
    """Give the one dbt of the session."""
    return Dbt(tmp_path_factory.mktemp("dbt"))


@pytest.fixture
def project(dbt_session: Dbt, tmp_path: Path) -> Project:
    """Give a fresh database."""
    return Project(dbt_session, tmp_path)


@pytest.fixture(scope="module")
def shared_project(dbt_session: Dbt, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Give a database that the tests of a module share: built once, only read afterwards."""
    return Project(dbt_session, tmp_path_factory.mktemp("shared"))


@pytest.fixture(scope="session")
def new_project(dbt_session: Dbt, tmp_path_factory: pytest.TempPathFactory):
    """Give a function that makes further databases."""
    return lambda: Project(dbt_session, tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="session")
def write_experiment():
    """Give `four_tables`."""
    return four_tables


@pytest.fixture(scope="session")
def stack():
    """Give `stacked`."""
    return stacked
