"""Time our build, the floor and tea-tasting on the same generated facts, in alternation.

A round runs, one after the other, our build on empty tables, our build, the floor and tea-tasting; the next round
follows, so that a slow minute of the machine hits all of them. Before anything is reported, the three must agree on the
numbers.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import duckdb
from processes import HERE, PROJECT, BenchmarkError, peer_python, peer_version, run_process
from report import machine, spread, table

DBT_VARS = "{demo: false, inputs_schema: raw}"
CONTESTANTS = ("dbt", "floor", "tea-tasting", "tea-tasting-plain")
PEERS = ("tea-tasting", "tea-tasting-plain")
INPUT_TABLES = ("experiment", "variant", "assignment", "kpi_outcome")
GOAL = 2.0


@dataclass(frozen=True)
class Run:
    """One process: wall and CPU seconds of the part that counts, the same and peak memory of all of it, its results."""

    seconds: float
    cpu_seconds: float
    wall: float
    cpu: float
    peak_mib: float
    rows: list[dict[str, Any]] = field(default_factory=list)
    nodes: dict[str, tuple[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Size:
    """One size of the data and the runs on it, by contestant."""

    units: int
    rows: int
    runs: dict[str, list[Run]]


def _run_script(python: Path, script: str, database: Path, threads: int, *options: str) -> Run:
    """Run one of the scripts that print a line of JSON."""
    wall, cpu, peak, text = run_process(
        [str(python), str(HERE / script), str(database), "--threads", str(threads), *options], threads=threads
    )
    printed = json.loads(text.splitlines()[-1])
    return Run(
        seconds=printed["seconds"],
        cpu_seconds=printed["cpu_seconds"],
        wall=wall,
        cpu=cpu,
        peak_mib=peak,
        rows=printed["rows"],
    )


def _node_kind(node: dict[str, Any]) -> str:
    """Name the part of the build that a node of the manifest belongs to."""
    if node["resource_type"] == "model":
        return "Python models" if node.get("language") == "python" else "SQL models"
    if node["resource_type"] in {"test", "unit_test"}:
        return "tests"
    return "other"


def _run_dbt(source: Path, work_dir: Path, threads: int) -> Run:
    """Build the project on a fresh copy of a database and read back what each node cost and what came out."""
    warehouse = work_dir / "warehouse.duckdb"
    # always the same path: dbt would parse the project again if the profile's environment changed
    warehouse.with_name(warehouse.name + ".wal").unlink(missing_ok=True)
    shutil.copyfile(source, warehouse)
    with warehouse.open("rb") as copied:
        os.fsync(copied.fileno())
    target = work_dir / "target"
    (target / "run_results.json").unlink(missing_ok=True)

    dbt = Path(sys.executable).with_name("dbt")
    wall, cpu, peak, _ = run_process(
        [
            str(dbt),
            "--no-use-colors",
            "build",
            *("--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)),
            *("--target-path", str(target), "--log-path", str(work_dir / "logs")),
            *("--threads", str(threads)),
            *("--vars", DBT_VARS),
        ],
        threads=threads,
        environment={"EXPERIMENTS_DUCKDB_PATH": str(warehouse)},
    )
    manifest = json.loads((target / "manifest.json").read_text(encoding="utf-8"))
    known = manifest["nodes"] | manifest["unit_tests"]
    results = json.loads((target / "run_results.json").read_text(encoding="utf-8"))["results"]
    nodes = {
        result["unique_id"]: (
            _node_kind(known[result["unique_id"]]) if result["unique_id"] in known else "other",
            result["execution_time"],
        )
        for result in results
    }
    with duckdb.connect(str(warehouse), read_only=True) as con:
        cursor = con.execute(
            """
            select exp_id, metric_id, n_control, n_treatment, mean_control, mean_treatment
            from experiments.experiment_results
            where population = 'assigned' and dimension = 'all'
            """
        )
        names = [column[0] for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return Run(seconds=wall, cpu_seconds=cpu, wall=wall, cpu=cpu, peak_mib=peak, rows=rows, nodes=nodes)


def _database(work_dir: Path, *, units: int, rows: int) -> Path:
    """Return a generated file of this size, made by the present generator; an earlier one is used again."""
    version = hashlib.sha256((HERE / "generate.py").read_bytes()).hexdigest()[:8]
    database = work_dir / f"bench-{units}-{rows}-{version}.duckdb"
    if not database.exists():
        print(f"generating {units:,} units and {rows:,} rows", flush=True)
        unfinished = database.with_suffix(".unfinished")
        sizes = ["--units", str(units), "--rows", str(rows)]
        subprocess.run([sys.executable, str(HERE / "generate.py"), *sizes, "--out", str(unfinished)], check=True)
        unfinished.rename(database)
    return database


def _emptied(database: Path, work_dir: Path) -> Path:
    """Return a file with the same input tables and no rows."""
    empty = work_dir / "empty.duckdb"
    empty.unlink(missing_ok=True)
    with duckdb.connect(str(empty)) as con:
        con.execute(f"attach '{database}' as full_size (read_only)")
        con.execute("create schema raw")
        for name in INPUT_TABLES:
            con.execute(f"create table raw.{name} as from full_size.raw.{name} limit 0")
    return empty


def _warm(database: Path) -> None:
    """Read the file once, so that nobody pays for the disk in the first round."""
    with database.open("rb") as stream:
        while stream.read(2**24):
            pass


def _by_arm(moments: list[dict[str, Any]]) -> dict[tuple[str, str], dict[str, dict[str, Any]]]:
    """Arrange the floor's rows as {(exp_id, metric_id): {variant_id: row}}."""
    arms: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    for row in moments:
        arms.setdefault((row["exp_id"], row["metric_id"]), {})[row["variant_id"]] = row
    return arms


def cuped_effect(control: dict[str, Any], treatment: dict[str, Any]) -> float:
    """Return the CUPED effect from two rows of moments, with theta from both arms taken together as one sample."""
    n_c, n_t = control["n"], treatment["n"]
    gap_y = treatment["mean"] - control["mean"]
    gap_x = treatment["covariate_mean"] - control["covariate_mean"]
    between = n_c * n_t / (n_c + n_t)
    cross = sum(arm["covariance"] * (arm["n"] - 1) for arm in (control, treatment)) + gap_x * gap_y * between
    square = sum(arm["covariate_variance"] * (arm["n"] - 1) for arm in (control, treatment)) + gap_x**2 * between
    return gap_y - (cross / square if square > 0 else 0.0) * gap_x


def _agree(what: str, key: tuple[str, str], left: float, right: float, *, scale: float = 0.0) -> None:
    """Raise unless two numbers that ought to be the same are, up to rounding."""
    if not math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-9 * scale):
        raise BenchmarkError(f"{what} of {key} differs: {left!r} and {right!r}")


def check_agreement(runs: dict[str, list[Run]]) -> None:
    """Raise when the contestants that ran do not report the same numbers."""
    if not runs.get("floor"):
        return
    arms = _by_arm(runs["floor"][0].rows)
    for contestant in ("dbt", *PEERS):
        if runs.get(contestant):
            keys = {(row["exp_id"], row["metric_id"]) for row in runs[contestant][0].rows}
            if keys != arms.keys():
                raise BenchmarkError(f"{contestant} and the floor differ in their experiments and metrics.")
    for row in (row for peer in PEERS if runs.get(peer) for row in runs[peer][0].rows):
        key = (row["exp_id"], row["metric_id"])
        control, treatment = arms[key]["control"], arms[key]["treatment"]
        _agree("tea-tasting's effect", key, row["effect"], cuped_effect(control, treatment), scale=control["mean"])
    for row in runs["dbt"][0].rows if runs.get("dbt") else ():
        key = (row["exp_id"], row["metric_id"])
        control, treatment = arms[key]["control"], arms[key]["treatment"]
        for name, arm in (("control", control), ("treatment", treatment)):
            _agree(f"n of {name}", key, row[f"n_{name}"], arm["n"])
            _agree(f"mean of {name}", key, row[f"mean_{name}"], arm["mean"])


def measure(
    *, units: int, rows: int, repeats: int, work_dir: Path, only: Sequence[str], threads: int, database: Path | None
) -> Size:
    """Run every contestant `repeats` times in alternation on data of one size."""
    database = database or _database(work_dir, units=units, rows=rows)
    steps: dict[str, Callable[[], Run]] = {}
    if "dbt" in only:
        empty = _emptied(database, work_dir)
        print("parsing the project once", flush=True)
        _run_dbt(empty, work_dir, threads)
        steps["empty"] = partial(_run_dbt, empty, work_dir, threads)
        steps["dbt"] = partial(_run_dbt, database, work_dir, threads)
    if "floor" in only:
        steps["floor"] = partial(_run_script, Path(sys.executable), "floor_run.py", database, threads)
    if set(PEERS) & set(only):
        python = peer_python("tea-tasting")
        for peer, options in (("tea-tasting", ()), ("tea-tasting-plain", ("--plain",))):
            if peer in only:
                steps[peer] = partial(_run_script, python, "tea_tasting_run.py", database, threads, *options)

    _warm(database)
    runs: dict[str, list[Run]] = {name: [] for name in steps}
    for number in range(1, repeats + 1):
        for name, step in steps.items():
            run = step()
            runs[name].append(run)
            print(
                f"round {number}  {name:<18} {run.seconds:8.2f} s  wall {run.wall:8.2f} s  cpu {run.cpu:8.2f} s  "
                f"{run.peak_mib:8,.0f} MiB",
                flush=True,
            )
        check_agreement(runs)
    if "dbt" in runs:
        fixed = min(run.wall for run in runs["empty"])
        fixed_cpu = min(run.cpu for run in runs["empty"])
        runs["dbt"] = [replace(run, seconds=run.wall - fixed, cpu_seconds=run.cpu - fixed_cpu) for run in runs["dbt"]]
    return Size(units=units, rows=rows, runs=runs)


def _node_times(runs: list[Run]) -> dict[str, tuple[str, float]]:
    """Return {node: (kind, median seconds)}."""
    return {
        node: (kind, statistics.median(run.nodes[node][1] for run in runs if node in run.nodes))
        for node, (kind, _) in runs[0].nodes.items()
    }


def render(size: Size) -> str:
    """Write the results of one size as Markdown."""
    runs = size.runs
    names = {
        "dbt": "ours: SQL + Python",
        "empty": "dbt's fixed cost (no rows)",
        "floor": "floor",
        "tea-tasting": "tea-tasting, a query like the floor's",
        "tea-tasting-plain": "tea-tasting, a plain query",
    }
    lines = [f"#### {size.units:,} units, {size.rows:,} rows", ""]
    lines += table(
        ["", "seconds", "CPU seconds", "wall of the process, s", "CPU of the process, s", "peak memory, MiB"],
        [
            [
                names[name],
                spread([run.seconds for run in runs[name]]),
                spread([run.cpu_seconds for run in runs[name]]),
                spread([run.wall for run in runs[name]]),
                spread([run.cpu for run in runs[name]]),
                spread([run.peak_mib for run in runs[name]], 0),
            ]
            for name in names
            if runs.get(name)
        ],
    )
    lines.append("")

    ratios = []
    for first, second, goal in (
        ("dbt", "floor", GOAL),
        *(("dbt", peer, 1.0) for peer in PEERS),
        *((peer, "floor", None) for peer in PEERS),
    ):
        if runs.get(first) and runs.get(second):
            pairs = list(zip(runs[first], runs[second], strict=True))
            ratios.append(
                [
                    f"{names[first].split(':')[0]} / {names[second]}",
                    spread([one.seconds / other.seconds for one, other in pairs], 2),
                    spread([one.cpu_seconds / other.cpu_seconds for one, other in pairs], 2),
                    "" if goal is None else f"at most {goal:g}",
                ]
            )
    if ratios:
        lines += table(["ratio", "of seconds", "of CPU seconds", "goal"], ratios)
        lines.append("")

    if runs.get("dbt"):
        full, empty = _node_times(runs["dbt"]), _node_times(runs["empty"])
        kinds = sorted({kind for kind, _ in full.values()})
        lines += [
            "Where our build spends its time: sums of dbt's own node times. Nodes run side by side, so that the sums "
            "may exceed the wall time.",
            "",
        ]
        lines += table(
            ["part", "nodes", "with data, s", "without rows, s"],
            [
                [
                    kind,
                    str(sum(k == kind for k, _ in full.values())),
                    f"{sum(seconds for k, seconds in full.values() if k == kind):.1f}",
                    f"{sum(seconds for k, seconds in empty.values() if k == kind):.1f}",
                ]
                for kind in kinds
            ],
        )
        lines += ["", "The ten nodes that take longest:", ""]
        longest = sorted(full, key=lambda node: -full[node][1])[:10]
        lines += table(
            ["node", "part", "with data, s", "without rows, s"],
            [
                [
                    f"`{node.split('.')[2]}`",
                    full[node][0],
                    f"{full[node][1]:.2f}",
                    f"{empty[node][1]:.2f}" if node in empty else "",
                ]
                for node in longest
            ],
        )
        lines.append("")
    return "\n".join(lines)


def section(sizes: Sequence[Size], *, threads: int, repeats: int) -> str:
    """Write the results of all sizes as Markdown."""
    head = (
        f"{machine()} dbt-core {metadata.version('dbt-core')}, dbt-duckdb {metadata.version('dbt-duckdb')}, "
        f"tea-tasting {peer_version('tea-tasting')}. {threads} threads for everybody; {repeats} rounds."
    )
    return "\n".join([head, "", *(render(size) for size in sizes)])
