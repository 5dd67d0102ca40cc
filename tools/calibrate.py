"""Simulate every method and write what came of it to docs/calibration.md.

Run by ``make calibrate``. Exits with 1 when a method is too liberal somewhere and nothing explains it.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from python_stats.simulation.calibration import all_studies, calibrate
from python_stats.simulation.report import judge, page

PAGE = Path(__file__).parents[1] / "docs" / "calibration.md"
SEED = 20_260_301


def main() -> int:
    """Parse the arguments, run the studies, write the page, list what is unexplained."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="factor on the number of replications (default 1)")
    parser.add_argument("--seed", type=int, default=SEED, help=f"seed of the simulations (default {SEED})")
    parser.add_argument("--processes", type=int, default=2, help="processes that share the work (default 2)")
    parser.add_argument("--group", action="append", help="only the studies under this heading; may be repeated")
    parser.add_argument("--output", type=Path, default=PAGE, help="page to write (default docs/calibration.md)")
    arguments = parser.parse_args()

    groups = sorted({study.group for study in all_studies()})
    unknown = set(arguments.group or ()) - set(groups)
    if unknown:
        parser.error(f"unknown group {', '.join(sorted(unknown))}; there are: {'; '.join(groups)}")
    started, results = time.monotonic(), []
    for part in calibrate(
        seed=arguments.seed, scale=arguments.scale, processes=arguments.processes, groups=arguments.group
    ):
        results += part
        print(f"{time.monotonic() - started:6.0f} s  {part[0].study.group}: {part[0].study.scenario}", file=sys.stderr)
    arguments.output.write_text(page(results, seed=arguments.seed, scale=arguments.scale), encoding="utf-8")
    failing = [row for row in judge(results) if row.is_unexplained]
    for row in failing:
        study = row.result.study
        print(f"too liberal: {row.result.method}: {study.group}: {study.scenario}", file=sys.stderr)
    return 1 if failing else 0


if __name__ == "__main__":
    sys.exit(main())
