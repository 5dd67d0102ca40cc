"""Measure what the package costs, print the results and write them into docs/benchmarks.md, section by section.

`facts`: from tables of facts to results, beside a hand-written query and tea-tasting (minutes, gigabytes of disk).
`inference`: from moments to effects, beside gbstats and tea-tasting. `analysis`: the inference models on a whole
programme, from frame to frame. `resampling`: quantiles and bootstraps beside the scan of their inputs. `library`:
single functions beside those of scipy and statsmodels. A section that is not asked for keeps its recorded results.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import analysis_section
import fact_section
import inference_section
import library_section
import resampling_section
from processes import HERE, PROJECT, BenchmarkError
from report import write_docs


def _facts(arguments: argparse.Namespace) -> str:
    work_dir: Path = arguments.work_dir.resolve()
    work_dir.mkdir(parents=True, exist_ok=True)
    databases: list[Path | None] = arguments.database or [None] * len(arguments.units)
    sizes = [
        fact_section.measure(
            units=units,
            rows=rows,
            repeats=arguments.repeats,
            work_dir=work_dir,
            only=arguments.only,
            threads=arguments.threads,
            database=database.resolve() if database else None,
        )
        for units, rows, database in zip(arguments.units, arguments.rows, databases, strict=True)
    ]
    return fact_section.section(sizes, threads=arguments.threads, repeats=arguments.repeats)


def _inference(arguments: argparse.Namespace) -> str:
    rounds = inference_section.measure(
        cells=arguments.cells,
        families=arguments.families,
        peer_cells=arguments.peer_cells,
        schedules=arguments.schedules,
        repeats=arguments.repeats,
        threads=arguments.threads,
        peers=arguments.peers,
    )
    return inference_section.section(rounds)


def _analysis(arguments: argparse.Namespace) -> str:
    options = {"experiments": arguments.experiments, "schedules": arguments.programme_schedules}
    return analysis_section.section(analysis_section.measure(repeats=arguments.repeats, **options))


def _resampling(arguments: argparse.Namespace) -> str:
    options = {"units": arguments.resampled_units, "threads": arguments.threads}
    rounds = resampling_section.measure(repeats=arguments.repeats, **options)
    return resampling_section.section(rounds, **options)


def _library(arguments: argparse.Namespace) -> str:
    rounds = library_section.measure(
        cells=arguments.library_cells,
        few=arguments.library_few,
        repeats=arguments.repeats,
        threads=arguments.threads,
    )
    return library_section.section(rounds)


SECTIONS: dict[str, Callable[[argparse.Namespace], str]] = {
    "facts": _facts,
    "inference": _inference,
    "analysis": _analysis,
    "resampling": _resampling,
    "library": _library,
}


def main(argv: Sequence[str] | None = None) -> None:
    """Measure every section that was asked for, print the results and write them on demand."""
    parser = argparse.ArgumentParser(description="Measure what the package costs.")
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1), help="processors for everybody")
    parser.add_argument("--write-docs", action="store_true", help="rewrite these sections of docs/benchmarks.md")
    parser.add_argument("--docs", type=Path, default=PROJECT / "docs" / "benchmarks.md")
    facts = parser.add_argument_group("facts")
    facts.add_argument("--units", type=int, nargs="+", default=[2_000_000, 8_000_000])
    facts.add_argument("--rows", type=int, nargs="+", default=[30_000_000, 120_000_000], help="as many as --units")
    facts.add_argument("--work-dir", type=Path, default=HERE / ".work", help="for the databases: several GB")
    facts.add_argument("--database", type=Path, nargs="+", help="generated files to use, as many as --units")
    facts.add_argument("--only", nargs="+", choices=fact_section.CONTESTANTS, default=list(fact_section.CONTESTANTS))
    inference = parser.add_argument_group("inference")
    inference.add_argument("--cells", type=int, default=1_000_000, help="comparisons")
    inference.add_argument("--families", type=int, default=50_000)
    inference.add_argument("--peer-cells", type=int, default=2_000, help="comparisons that the peers make too")
    inference.add_argument("--schedules", type=int, default=10_000, help="group-sequential designs")
    inference.add_argument("--peers", nargs="*", choices=inference_section.PEERS, default=list(inference_section.PEERS))
    analysis = parser.add_argument_group("analysis")
    analysis.add_argument("--experiments", type=int, default=10_000, help="each with 40 comparisons")
    analysis.add_argument("--programme-schedules", type=int, default=400, help="comparisons that spend alpha")
    resampling = parser.add_argument_group("resampling")
    resampling.add_argument("--resampled-units", type=int, default=10_000_000)
    library = parser.add_argument_group("library")
    library.add_argument("--library-cells", type=int, default=200_000, help="comparisons")
    library.add_argument("--library-few", type=int, default=50, help="comparisons where a library makes one at a time")
    arguments = parser.parse_args(argv)
    if not len(arguments.units) == len(arguments.rows) == len(arguments.database or arguments.units):
        parser.error("--units, --rows and --database must name the same number of sizes")
    if arguments.repeats < 1:
        parser.error("--repeats must be at least 1")

    for name in arguments.sections:
        results = SECTIONS[name](arguments)
        print(f"\n{results}", flush=True)
        if arguments.write_docs:
            # at once: a later section that stops must not lose the hour before it
            write_docs(arguments.docs, {name: results}, list(SECTIONS))
            print(f"wrote {name} in {arguments.docs.name}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except BenchmarkError as error:
        sys.exit(f"benchmark stopped: {error}")
