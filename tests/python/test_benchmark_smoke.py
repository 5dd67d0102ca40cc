"""The benchmark's generator and its hand-written query, on data small enough to recompute plainly."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pandas as pd
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
UNITS, ROWS, EXPERIMENTS, DAYS, PRE_DAYS = 2_000, 30_000, 4, 28, 14
KEYS = ["exp_id", "unit_id"]
CELL = ["exp_id", "metric_id", "variant_id"]


@pytest.fixture(scope="module")
def scripts() -> Iterator[dict[str, ModuleType]]:
    """Import the benchmark's scripts, which are not a package."""
    names = ("generate", "floor_run", "run")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield {name: importlib.import_module(name) for name in names}
    for name in names:
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def database(scripts: dict[str, ModuleType], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generate a small file."""
    path = tmp_path_factory.mktemp("benchmark") / "small.duckdb"
    scripts["generate"].generate(path, units=UNITS, rows=ROWS, experiments=EXPERIMENTS, days=DAYS, pre_days=PRE_DAYS)
    return path


@pytest.fixture(scope="module")
def tables(database: Path) -> dict[str, pd.DataFrame]:
    """Read the four generated tables."""
    with duckdb.connect(str(database), read_only=True) as con:
        names = ("experiment", "variant", "assignment", "kpi_outcome")
        frames = {name: con.execute(f"from raw.{name}").df() for name in names}
    frames["assignment"]["assigned_on"] = frames["assignment"]["assigned_at"].dt.normalize()
    return frames


@pytest.fixture(scope="module")
def unit_totals(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Compute outcome and covariate of every mature unit and kpi, zeros included."""
    outcome, assignment = tables["kpi_outcome"], tables["assignment"]
    as_of = outcome["metric_date"].max() + pd.Timedelta(days=1)
    mature = assignment[assignment["assigned_on"] + pd.Timedelta(days=14) <= as_of]
    joined = outcome.merge(mature, on=KEYS)
    day = (joined["metric_date"] - joined["assigned_on"]).dt.days
    joined["y"] = joined["kpi_value"].where(day.between(0, 13), 0.0)
    joined["x"] = joined["kpi_value"].where(day.between(-14, -1), 0.0)
    totals = joined.groupby([*KEYS, "kpi_name"])[["y", "x"]].sum().reset_index()
    every = mature.merge(pd.DataFrame({"kpi_name": sorted(outcome["kpi_name"].unique())}), how="cross")
    return (
        every.merge(totals, on=[*KEYS, "kpi_name"], how="left")
        .fillna({"y": 0.0, "x": 0.0})
        .rename(columns={"kpi_name": "metric_id"})
    )


@pytest.fixture(scope="module")
def floor(scripts: dict[str, ModuleType], database: Path) -> list[dict[str, Any]]:
    """Run the hand-written query."""
    rows, _ = scripts["floor_run"].floor_moments(database)
    return rows


def test_generator_has_the_requested_size(tables: dict[str, pd.DataFrame]) -> None:
    assert len(tables["assignment"]) == UNITS
    assert len(tables["experiment"]) == EXPERIMENTS
    assert len(tables["variant"]) == 2 * EXPERIMENTS
    assert len(tables["kpi_outcome"]) == pytest.approx(ROWS, rel=0.05)
    assert set(tables["kpi_outcome"]["kpi_name"]) == {"conversion", "sessions", "revenue"}


def test_generator_writes_valid_sparse_keys(tables: dict[str, pd.DataFrame]) -> None:
    outcome, assignment = tables["kpi_outcome"], tables["assignment"]
    assert not assignment.duplicated(KEYS).any()
    assert not outcome.duplicated([*KEYS, "metric_date", "kpi_name"]).any()
    assert (outcome["kpi_value"] > 0).all()
    assert len(outcome.merge(assignment, on=KEYS)) == len(outcome)
    assert len(outcome[KEYS].drop_duplicates()) < 0.9 * UNITS
    assert outcome["metric_date"].is_monotonic_increasing


def test_generator_puts_a_unit_into_two_experiments(tables: dict[str, pd.DataFrame]) -> None:
    assert tables["assignment"]["unit_id"].nunique() == UNITS - UNITS // 20


def test_generator_has_rows_before_in_and_after_the_window(tables: dict[str, pd.DataFrame]) -> None:
    joined = tables["kpi_outcome"].merge(tables["assignment"], on=KEYS)
    day = (joined["metric_date"] - joined["assigned_on"]).dt.days
    shares = {
        "too early": (day < -14).mean(),
        "pre-period": day.between(-14, -1).mean(),
        "window": day.between(0, 13).mean(),
        "too late": (day > 13).mean(),
    }
    assert min(shares.values()) > 0.1, shares


def test_generator_leaves_some_units_immature(tables: dict[str, pd.DataFrame], unit_totals: pd.DataFrame) -> None:
    share = len(unit_totals[KEYS].drop_duplicates()) / len(tables["assignment"])
    assert 0.9 < share < 1


def test_conversion_is_binary_and_the_covariate_predicts(unit_totals: pd.DataFrame) -> None:
    by_metric = dict(tuple(unit_totals.groupby("metric_id")))
    assert set(by_metric["conversion"]["y"]) == {0.0, 1.0}
    assert np.corrcoef(by_metric["sessions"]["y"], by_metric["sessions"]["x"])[0, 1] > 0.5


def test_generator_is_a_function_of_its_seed_alone(scripts: dict[str, ModuleType], tmp_path: Path) -> None:
    def content(name: str, *, seed: int, threads: int) -> list[tuple[Any, ...]]:
        path = tmp_path / name
        scripts["generate"].generate(
            path, units=300, rows=900, experiments=2, days=6, pre_days=2, seed=seed, threads=threads
        )
        with duckdb.connect(str(path), read_only=True) as con:
            return con.execute("from raw.assignment").fetchall() + con.execute("from raw.kpi_outcome").fetchall()

    first = content("one", seed=5, threads=1)
    assert first == content("two", seed=5, threads=2)
    assert first != content("other", seed=6, threads=1)


def test_generator_refuses_more_rows_than_fit(scripts: dict[str, ModuleType], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="too many"):
        scripts["generate"].generate(tmp_path / "full.duckdb", units=10, rows=10_000)


def test_floor_equals_a_plain_computation(floor: list[dict[str, Any]], unit_totals: pd.DataFrame) -> None:
    groups = unit_totals.groupby(CELL)
    expected = pd.DataFrame(
        {
            "n": groups.size(),
            "mean": groups["y"].mean(),
            "variance": groups["y"].var(),
            "covariate_mean": groups["x"].mean(),
            "covariate_variance": groups["x"].var(),
            "covariance": groups[["x", "y"]].apply(lambda unit: unit["x"].cov(unit["y"])),
        }
    )
    assert len(expected) == EXPERIMENTS * 3 * 2
    got = pd.DataFrame(floor).set_index(CELL).sort_index()
    pd.testing.assert_frame_equal(got, expected, check_dtype=False, rtol=1e-9, atol=0)


def test_cuped_effect_of_moments_equals_that_of_units(
    scripts: dict[str, ModuleType], floor: list[dict[str, Any]], unit_totals: pd.DataFrame
) -> None:
    arms = scripts["run"]._by_arm(floor)
    for key, units in unit_totals.groupby(["exp_id", "metric_id"]):
        theta = units["y"].cov(units["x"]) / units["x"].var()
        adjusted = units["y"] - theta * (units["x"] - units["x"].mean())
        mean = adjusted.groupby(units["variant_id"]).mean()
        got = scripts["run"].cuped_effect(arms[key]["control"], arms[key]["treatment"])
        assert got == pytest.approx(mean["treatment"] - mean["control"], rel=1e-9)


def test_disagreement_stops_the_benchmark(scripts: dict[str, ModuleType], floor: list[dict[str, Any]]) -> None:
    run = scripts["run"]
    arms = run._by_arm(floor)
    effects = [
        {"exp_id": exp_id, "metric_id": metric_id, "effect": run.cuped_effect(arm["control"], arm["treatment"])}
        for (exp_id, metric_id), arm in arms.items()
    ]
    measured = {"seconds": 1.0, "cpu_seconds": 1.0, "wall": 1.0, "cpu": 1.0, "peak_mib": 1.0}
    runs = {"floor": [run.Run(**measured, rows=floor)], "tea-tasting": [run.Run(**measured, rows=effects)]}
    run.check_agreement(runs)
    effects[0]["effect"] += 1e-3
    with pytest.raises(run.BenchmarkError, match="differs"):
        run.check_agreement(runs)


def test_results_replace_only_what_is_between_the_markers(scripts: dict[str, ModuleType], tmp_path: Path) -> None:
    page = tmp_path / "docs" / "benchmarks.md"
    scripts["run"].write_docs(page, "first")
    written = page.read_text(encoding="utf-8")
    scripts["run"].write_docs(page, "second")
    assert page.read_text(encoding="utf-8") == written.replace("first", "second")
