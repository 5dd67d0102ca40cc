"""Time our build, the floor and tea-tasting on the same generated data, in alternation, and write docs/benchmarks.md.

Each contestant is a process of its own. A round runs, one after the other, our build on empty tables, our build, the
floor and tea-tasting; the next round follows, so that a slow minute of the machine hits all of them. Before anything is
reported, the three must agree on the numbers.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent
PEER_ENVIRONMENT = HERE / ".venv-peer"
PEER_REQUIREMENTS = HERE / "requirements-peer.txt"
PAGE = HERE / "page.md"
DBT_VARS = "{demo: false, inputs_schema: raw}"
CONTESTANTS = ("dbt", "floor", "tea-tasting", "tea-tasting-plain")
PEERS = ("tea-tasting", "tea-tasting-plain")
INPUT_TABLES = ("experiment", "variant", "assignment", "kpi_outcome")
RESULTS_START, RESULTS_END = "<!-- results: start -->", "<!-- results: end -->"
GOAL = 2.0


class BenchmarkError(RuntimeError):
    """A contestant failed, or two contestants disagree."""


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


def _run_process(
    command: Sequence[str], *, threads: int, environment: dict[str, str] | None = None
) -> tuple[float, float, float, str]:
    """Run a command to its end and return wall seconds, CPU seconds, peak MiB and its standard output."""
    cpus: set[int] = set()
    if hasattr(os, "sched_getaffinity"):
        cpus = set(sorted(os.sched_getaffinity(0))[:threads])

    def pin() -> None:
        # the same processors for everybody, whatever each tool takes for its number of threads
        if cpus:
            os.sched_setaffinity(0, cpus)

    with tempfile.TemporaryFile() as stream:
        started = time.perf_counter()
        process = subprocess.Popen(
            list(command),
            cwd=PROJECT,
            env=os.environ | (environment or {}),
            stdout=stream,
            stderr=subprocess.STDOUT,
            preexec_fn=pin,
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        # the process has been waited for here; Popen must not wait again
        process.returncode = os.waitstatus_to_exitcode(status)
        stream.seek(0)
        text = stream.read().decode(errors="replace")
    if process.returncode != 0:
        tail = "\n".join(text.splitlines()[-60:])
        raise BenchmarkError(
            f"{' '.join(Path(word).name for word in command[:3])} ended with code {process.returncode}:\n{tail}"
        )
    kib = usage.ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    return wall, usage.ru_utime + usage.ru_stime, kib / 1024, text


def _run_script(python: Path, script: str, database: Path, threads: int, *options: str) -> Run:
    """Run one of the scripts that print a line of JSON."""
    wall, cpu, peak, text = _run_process(
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
    wall, cpu, peak, _ = _run_process(
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


def _peer_python() -> Path:
    """Return the Python of the peer's environment, which is made when it is missing or its requirements changed."""
    python = PEER_ENVIRONMENT / "bin" / "python"
    stamp = PEER_ENVIRONMENT / "requirements.txt"
    wanted = PEER_REQUIREMENTS.read_text(encoding="utf-8")
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        print("making the environment of tea-tasting", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(PEER_ENVIRONMENT)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "-r", str(PEER_REQUIREMENTS)], check=True)
        stamp.write_text(wanted, encoding="utf-8")
    return python


def _peer_version() -> str:
    """Return the version of tea-tasting that its requirements pin."""
    pins = dict(line.split("==") for line in PEER_REQUIREMENTS.read_text(encoding="utf-8").splitlines() if "==" in line)
    return pins["tea-tasting"]


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
        for table in INPUT_TABLES:
            con.execute(f"create table raw.{table} as from full_size.raw.{table} limit 0")
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
        python = _peer_python()
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


def _spread(values: Sequence[float], digits: int = 1) -> str:
    """Write a median with its smallest and largest value."""
    if len(values) == 1:
        return f"{values[0]:,.{digits}f}"
    return f"{statistics.median(values):,.{digits}f} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Write a Markdown table, the first column to the left and the others to the right."""
    return [
        f"| {' | '.join(header)} |",
        "|" + "|".join(["---", *["---:"] * (len(header) - 1)]) + "|",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]


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
    lines = [f"### {size.units:,} units, {size.rows:,} rows", ""]
    lines += _table(
        ["", "seconds", "CPU seconds", "wall of the process, s", "CPU of the process, s", "peak memory, MiB"],
        [
            [
                names[name],
                _spread([run.seconds for run in runs[name]]),
                _spread([run.cpu_seconds for run in runs[name]]),
                _spread([run.wall for run in runs[name]]),
                _spread([run.cpu for run in runs[name]]),
                _spread([run.peak_mib for run in runs[name]], 0),
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
                    _spread([one.seconds / other.seconds for one, other in pairs], 2),
                    _spread([one.cpu_seconds / other.cpu_seconds for one, other in pairs], 2),
                    "" if goal is None else f"at most {goal:g}",
                ]
            )
    if ratios:
        lines += _table(["ratio", "of seconds", "of CPU seconds", "goal"], ratios)
        lines.append("")

    if runs.get("dbt"):
        full, empty = _node_times(runs["dbt"]), _node_times(runs["empty"])
        kinds = sorted({kind for kind, _ in full.values()})
        lines += [
            "Where our build spends its time: sums of dbt's own node times. Nodes run side by side, so that the sums "
            "may exceed the wall time.",
            "",
        ]
        lines += _table(
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
        lines += _table(
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


def _machine() -> str:
    """Describe the machine and the versions, without names or paths."""
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        models = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        processor = models[0] if models else processor
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"Machine: {os.cpu_count()} cores ({processor}), {memory:.0f} GiB of memory, {platform.system()}. "
        f"Python {platform.python_version()}, DuckDB {duckdb.__version__}, dbt-core {metadata.version('dbt-core')}, "
        f"dbt-duckdb {metadata.version('dbt-duckdb')}, tea-tasting {_peer_version()}."
    )


def write_docs(docs: Path, results: str) -> None:
    """Put the results between the markers of the page, which is made when it does not exist."""
    text = (docs if docs.exists() else PAGE).read_text(encoding="utf-8")
    if text.count(RESULTS_START) != 1 or text.count(RESULTS_END) != 1:
        raise BenchmarkError(f"{docs.name} must contain {RESULTS_START!r} and {RESULTS_END!r} once each.")
    before, rest = text.split(RESULTS_START)
    _, after = rest.split(RESULTS_END)
    docs.parent.mkdir(parents=True, exist_ok=True)
    docs.write_text(f"{before}{RESULTS_START}\n{results}\n{RESULTS_END}{after}", encoding="utf-8")


def main(argv: Sequence[str] | None = None) -> None:
    """Measure every size that was asked for, print the results and write them on demand."""
    parser = argparse.ArgumentParser(description="Time our build, the floor and tea-tasting on the same data.")
    parser.add_argument("--units", type=int, nargs="+", default=[2_000_000, 8_000_000])
    parser.add_argument("--rows", type=int, nargs="+", default=[30_000_000, 120_000_000], help="as many as --units")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1), help="processors for everybody")
    parser.add_argument("--work-dir", type=Path, default=HERE / ".work", help="for the databases: several GB")
    parser.add_argument("--database", type=Path, nargs="+", help="generated files to use, as many as --units")
    parser.add_argument("--only", nargs="+", choices=CONTESTANTS, default=list(CONTESTANTS))
    parser.add_argument("--write-docs", action="store_true", help="rewrite the results of docs/benchmarks.md")
    parser.add_argument("--docs", type=Path, default=PROJECT / "docs" / "benchmarks.md")
    arguments = parser.parse_args(argv)
    databases: list[Path | None] = arguments.database or [None] * len(arguments.units)
    if not len(arguments.units) == len(arguments.rows) == len(databases):
        parser.error("--units, --rows and --database must name the same number of sizes")
    if arguments.repeats < 1:
        parser.error("--repeats must be at least 1")
    work_dir: Path = arguments.work_dir.resolve()
    work_dir.mkdir(parents=True, exist_ok=True)

    sections = []
    for units, rows, database in zip(arguments.units, arguments.rows, databases, strict=True):
        size = measure(
            units=units,
            rows=rows,
            repeats=arguments.repeats,
            work_dir=work_dir,
            only=arguments.only,
            threads=arguments.threads,
            database=database.resolve() if database else None,
        )
        sections.append(render(size))
        print(f"\n{sections[-1]}", flush=True)
    results = "\n".join(
        [f"{_machine()} {arguments.threads} threads for everybody; {arguments.repeats} rounds.", "", *sections]
    )
    if arguments.write_docs:
        write_docs(arguments.docs, results.rstrip())
        print(f"wrote {arguments.docs.name}")


if __name__ == "__main__":
    try:
        main()
    except BenchmarkError as error:
        sys.exit(f"benchmark stopped: {error}")
