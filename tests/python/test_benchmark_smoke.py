"""The benchmark's parts on data small enough to recompute plainly: structure and equal numbers, no times."""

from __future__ import annotations

import copy
import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from scipy import stats

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
UNITS, ROWS, EXPERIMENTS, DAYS, PRE_DAYS = 2_000, 30_000, 4, 28, 14
KEYS = ["exp_id", "unit_id"]
CELL = ["exp_id", "metric_id", "variant_id"]
ARMS = ("control", "treatment")
CELLS, PEER_CELLS, FAMILIES = 400, 60, 20


@pytest.fixture(scope="module")
def scripts() -> Iterator[dict[str, ModuleType]]:
    """Import the benchmark's scripts, which are not a package."""
    names = (
        "generate",
        "cells",
        "floor_run",
        "inference_run",
        "comparison_frame",
        "analysis_run",
        "processes",
        "report",
        "fact_section",
        "inference_section",
        "analysis_section",
        "library_run",
        "library_section",
        "resampling_section",
        "run",
    )
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
    facts = scripts["fact_section"]
    arms = facts._by_arm(floor)
    for key, units in unit_totals.groupby(["exp_id", "metric_id"]):
        theta = units["y"].cov(units["x"]) / units["x"].var()
        adjusted = units["y"] - theta * (units["x"] - units["x"].mean())
        mean = adjusted.groupby(units["variant_id"]).mean()
        got = facts.cuped_effect(arms[key]["control"], arms[key]["treatment"])
        assert got == pytest.approx(mean["treatment"] - mean["control"], rel=1e-9)


def test_disagreement_stops_the_benchmark(scripts: dict[str, ModuleType], floor: list[dict[str, Any]]) -> None:
    facts = scripts["fact_section"]
    arms = facts._by_arm(floor)
    effects = [
        {"exp_id": exp_id, "metric_id": metric_id, "effect": facts.cuped_effect(arm["control"], arm["treatment"])}
        for (exp_id, metric_id), arm in arms.items()
    ]
    measured = {"seconds": 1.0, "cpu_seconds": 1.0, "wall": 1.0, "cpu": 1.0, "peak_mib": 1.0}
    runs = {"floor": [facts.Run(**measured, rows=floor)], "tea-tasting": [facts.Run(**measured, rows=effects)]}
    facts.check_agreement(runs)
    effects[0]["effect"] += 1e-3
    with pytest.raises(facts.BenchmarkError, match="differs"):
        facts.check_agreement(runs)


@pytest.fixture(scope="module")
def aggregates(scripts: dict[str, ModuleType]) -> dict[str, np.ndarray]:
    """Draw the aggregates of a few comparisons."""
    return scripts["cells"].draw_cells(CELLS, seed=3)


@pytest.fixture(scope="module")
def ours(scripts: dict[str, ModuleType], aggregates: dict[str, np.ndarray]) -> dict[str, Any]:
    """Run our side of the inference section once, without waiting for the clock."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scripts["inference_run"], "LEAST_SECONDS", 1e-9)
        return scripts["inference_run"].run(aggregates, families=FAMILIES, peer_cells=PEER_CELLS, schedules=3, looks=4)


def _peer_of(ours: dict[str, Any], name: str) -> dict[str, Any]:
    """Return what a peer with our numbers would print."""
    cost = {kind: {"seconds": 1e-4, "cpu_seconds": 1e-4} for kind in ("welch", "cuped")}
    versions = {name: "1.0", "numpy": "2.0", "scipy": "1.0"}
    return {"cost": cost, "rows": copy.deepcopy(ours["rows"]), "versions": versions}


def test_aggregates_are_those_of_some_data_and_of_their_seed_alone(
    scripts: dict[str, ModuleType], aggregates: dict[str, np.ndarray]
) -> None:
    for arm in ("control", "treatment"):
        n, var_y, var_x, cov = (aggregates[f"{name}_{arm}"] for name in ("n", "var_y", "var_x", "cov_xy"))
        assert (n >= 900).all()
        assert (n == np.floor(n)).all()
        assert (cov**2 < var_y * var_x).all()
    again, other = (scripts["cells"].draw_cells(CELLS, seed=seed) for seed in (3, 4))
    assert all(np.array_equal(again[name], aggregates[name]) for name in aggregates)
    assert not np.array_equal(other["mean_y_control"], aggregates["mean_y_control"])


def test_inference_makes_every_comparison_and_solves_every_schedule(ours: dict[str, Any]) -> None:
    assert (ours["cells"], ours["peer_cells"]) == (CELLS, PEER_CELLS)
    assert set(ours["steps"]) == {"cuped", "lift", "sequence", "families"}
    assert ours["sequential"]["solved"] == ours["schedules"] == 3
    for batch in ("small_batch", "large_batch"):
        assert set(ours[batch]) == {"welch", "welch_lift", "cuped", "cuped_lift"}
    for rows in ours["rows"].values():
        assert {len(column) for column in rows.values()} == {PEER_CELLS}
        assert np.isfinite([*rows.values()]).all()


def test_welch_rows_equal_scipy(ours: dict[str, Any], aggregates: dict[str, np.ndarray]) -> None:
    few = {name: column[:PEER_CELLS] for name, column in aggregates.items()}
    sides = [(few[f"mean_y_{a}"], np.sqrt(few[f"var_y_{a}"]), few[f"n_{a}"]) for a in ("treatment", "control")]
    expected = stats.ttest_ind_from_stats(*sides[0], *sides[1], equal_var=False)
    np.testing.assert_allclose(ours["rows"]["welch"]["p_value"], expected.pvalue, rtol=1e-9)
    np.testing.assert_allclose(ours["rows"]["welch"]["effect"], sides[0][0] - sides[1][0], rtol=1e-12)


def test_cuped_rows_equal_the_formula_that_judges_the_facts(
    scripts: dict[str, ModuleType], ours: dict[str, Any], aggregates: dict[str, np.ndarray]
) -> None:
    names = {"n": "n", "mean": "mean_y", "covariate_mean": "mean_x", "covariate_variance": "var_x"}
    names["covariance"] = "cov_xy"
    for cell, effect in enumerate(ours["rows"]["cuped"]["effect"]):
        arms = ({name: aggregates[f"{own}_{arm}"][cell] for name, own in names.items()} for arm in ARMS)
        width = ours["rows"]["cuped"]["ci_high"][cell] - ours["rows"]["cuped"]["ci_low"][cell]
        assert scripts["fact_section"].cuped_effect(*arms) == pytest.approx(effect, rel=0, abs=1e-9 * width)


def test_all_steps_give_a_number_to_every_comparison(
    scripts: dict[str, ModuleType], aggregates: dict[str, np.ndarray]
) -> None:
    run = scripts["inference_run"]
    arms = [run.arm_moments(aggregates, arm) for arm in ARMS]
    results, _ = run.everything(*arms, np.arange(CELLS) % FAMILIES, target_n=20_000.0)
    assert not any(np.isnan(column).any() for column in results.values())
    assert (results["p_value_adjusted"] >= results["p_value"]).all()
    first = np.arange(CELLS) % FAMILIES == 0
    expected = stats.false_discovery_control(results["p_value"][first])
    np.testing.assert_allclose(results["p_value_adjusted"][first], expected, rtol=1e-12)


@pytest.mark.parametrize("field", ["effect", "ci_low", "ci_high", "p_value"])
@pytest.mark.parametrize("change", [1e-6, np.nan])
def test_a_peer_with_another_number_stops_the_benchmark(
    scripts: dict[str, ModuleType], ours: dict[str, Any], field: str, change: float
) -> None:
    section = scripts["inference_section"]
    mine, theirs = ours["rows"]["cuped"], _peer_of(ours, "gbstats")["rows"]["cuped"]
    assert section.largest_difference(mine, theirs, who="gbstats") == 0.0
    theirs[field][7] += change * (1.0 if field == "p_value" else mine["ci_high"][7] - mine["ci_low"][7])
    with pytest.raises(scripts["processes"].BenchmarkError, match=rf"{field} of comparison 7 differs"):
        section.largest_difference(mine, theirs, who="gbstats")


def test_a_peer_that_skips_comparisons_stops_the_benchmark(
    scripts: dict[str, ModuleType], ours: dict[str, Any]
) -> None:
    theirs = {field: column[:-1] for field, column in ours["rows"]["welch"].items()}
    with pytest.raises(scripts["processes"].BenchmarkError, match="made 59 comparisons, not 60"):
        scripts["inference_section"].largest_difference(ours["rows"]["welch"], theirs, who="gbstats")


@pytest.mark.parametrize("peers", [("gbstats", "tea-tasting"), ()])
def test_inference_section_shows_costs_and_goals(
    scripts: dict[str, ModuleType], ours: dict[str, Any], peers: tuple[str, ...]
) -> None:
    section = scripts["inference_section"]
    printed = {"ours": ours} | {peer: _peer_of(ours, peer) for peer in peers}
    text = section.section([section.Round(printed, dict.fromkeys(peers, 1e-13))] * 2)
    assert f"#### {CELLS:,} comparisons, {FAMILIES} families" in text
    assert "at most 5 s" in text
    assert [goal for goal in ("at least 50", "at least 300") if goal in text] == [
        {"gbstats": "at least 50", "tea-tasting": "at least 300"}[peer] for peer in peers
    ]
    _assert_tables_are_square(text)


def test_resampling_section_shows_shares_of_the_scan(scripts: dict[str, ModuleType]) -> None:
    steps = {"scan": 2.0, "order_statistics": 3.0, "buckets": 2.0, "p99": 0.5, "bootstrap": 1.0}
    one = {f"{step}_{unit}": seconds for step, seconds in steps.items() for unit in ("seconds", "cpu_seconds")}
    text = scripts["resampling_section"].section([one], units=1_000, threads=2)
    assert "| 0.500 | 0.500 | 0.250 | 0.250 | below 1 |" in text
    _assert_tables_are_square(text)


def test_analysis_makes_every_comparison_and_shows_what_one_costs(scripts: dict[str, ModuleType]) -> None:
    one = scripts["analysis_run"].run(experiments=20, schedules=8)
    assert one["effects"]["comparisons"] == one["look"]["comparisons"] == one["look"]["rows"] == 800
    # Raw and posterior, and the adjusted estimate of the three metrics that have a pre-period.
    assert one["effects"]["rows"] > 2 * 800
    text = scripts["analysis_section"].section([one, one])
    assert "at most 10" in text and "Peak memory" in text
    _assert_tables_are_square(text)


@pytest.fixture(scope="module")
def beside_libraries(scripts: dict[str, ModuleType]) -> dict[str, Any]:
    """Run every pair of the library section once on few comparisons, without waiting for the clock."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scripts["library_run"], "LEAST_SECONDS", 0.0)
        found = scripts["library_run"].run(cells=200, few=20)
    return {**found, "imports": {"scipy.stats": 1.5}}


def test_libraries_give_our_numbers_but_for_the_known_error(
    scripts: dict[str, ModuleType], beside_libraries: dict[str, Any]
) -> None:
    assert scripts["library_section"].check(beside_libraries) is beside_libraries
    wrong = {pair["name"] for pair in beside_libraries["pairs"] if pair["differ"]}
    # A library that has mended its cubic should lose its mark, and ours the reason.
    assert wrong == {"miettinen_nurminen_interval", "mee_interval", "farrington_manning"}


def test_a_library_that_differs_stops_the_section(
    scripts: dict[str, ModuleType], beside_libraries: dict[str, Any]
) -> None:
    pairs = [{**pair, "differ": 1} for pair in beside_libraries["pairs"]]
    with pytest.raises(scripts["processes"].BenchmarkError, match="welch_t"):
        scripts["library_section"].check({**beside_libraries, "pairs": pairs})


def test_the_library_section_shows_every_pair(scripts: dict[str, ModuleType], beside_libraries: dict[str, Any]) -> None:
    text = scripts["library_section"].section([beside_libraries, beside_libraries])
    _assert_tables_are_square(text)
    for pair in beside_libraries["pairs"]:
        assert f"| `{pair['name']}` | {pair['library']} |" in text


def _assert_tables_are_square(text: str) -> None:
    """Check that the rows of each Markdown table have as many cells as its header."""
    for block in text.split("\n\n"):
        lines = [line for line in block.splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in lines}) <= 1, block


def test_a_section_replaces_its_own_results_only(scripts: dict[str, ModuleType], tmp_path: Path) -> None:
    page, sections = tmp_path / "docs" / "benchmarks.md", list(scripts["run"].SECTIONS)
    write_docs = scripts["report"].write_docs
    write_docs(page, {name: f"first of {name}" for name in sections}, sections)
    written = page.read_text(encoding="utf-8")
    for name in sections:
        assert f"<!-- {name}: start -->\nfirst of {name}\n<!-- {name}: end -->" in written
    write_docs(page, {"inference": "second"}, sections)
    assert page.read_text(encoding="utf-8") == written.replace("first of inference", "second")


def test_the_command_writes_each_section_that_it_measured(
    scripts: dict[str, ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, page = scripts["run"], tmp_path / "benchmarks.md"

    def stop(_: object) -> str:
        raise run.BenchmarkError("stopped")

    monkeypatch.setitem(run.SECTIONS, "inference", lambda arguments: f"{arguments.cells} cells")
    monkeypatch.setitem(run.SECTIONS, "resampling", stop)
    with pytest.raises(run.BenchmarkError, match="stopped"):
        run.main(["--sections", "inference", "resampling", "--cells", "12", "--write-docs", "--docs", str(page)])
    assert "<!-- inference: start -->\n12 cells\n<!-- inference: end -->" in page.read_text(encoding="utf-8")


def test_the_recorded_page_is_the_template_with_results(scripts: dict[str, ModuleType], tmp_path: Path) -> None:
    copied = tmp_path / "benchmarks.md"
    recorded = BENCHMARKS.parent / "docs" / "benchmarks.md"
    copied.write_text(recorded.read_text(encoding="utf-8"), encoding="utf-8")
    scripts["report"].write_docs(copied, {}, list(scripts["run"].SECTIONS))
    assert copied.read_text(encoding="utf-8") == recorded.read_text(encoding="utf-8")


@pytest.mark.parametrize("peer", ["gbstats", "tea-tasting"])
def test_peers_are_pinned(scripts: dict[str, ModuleType], peer: str) -> None:
    assert scripts["processes"].peer_version(peer)[0].isdigit()
