"""Time the inference models on a whole programme, from frame to frame."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from processes import HERE, run_process
from report import machine, spread, table

SCRIPT = "analysis_run.py"
MOST_MICROSECONDS = 10
STEPS = {"effects": "`effect`: all estimators, families, posteriors", "look": "`look`: headline and monitoring"}


def measure(*, experiments: int, schedules: int, repeats: int) -> list[dict[str, Any]]:
    """Run the script that prints a line of JSON `repeats` times, each in a process of its own."""
    rounds = []
    for number in range(1, repeats + 1):
        *_, text = run_process(
            [sys.executable, str(HERE / SCRIPT), "--experiments", str(experiments), "--schedules", str(schedules)],
            threads=1,
            environment={"PYTHONPATH": str(HERE.parent)},
        )
        rounds.append(json.loads(text.splitlines()[-1]))
        shown = "  ".join(f"{step} {_micro(rounds[-1][step]):.1f} µs" for step in STEPS)
        print(f"round {number}  {shown} a comparison", flush=True)
    return rounds


def _micro(cost: dict[str, float], key: str = "cpu_seconds") -> float:
    return 1e6 * cost[key] / cost["comparisons"]


def section(rounds: Sequence[dict[str, Any]]) -> str:
    """Write the results as Markdown."""
    rows = [
        [
            label,
            f"{rounds[0][step]['comparisons']:,}",
            f"{rounds[0][step]['rows']:,}",
            spread([one[step]["cpu_seconds"] for one in rounds], 2),
            spread([_micro(one[step]) for one in rounds], 1),
            f"at most {MOST_MICROSECONDS}",
        ]
        for step, label in STEPS.items()
    ]
    spending = [one["spending"] for one in rounds]
    schedules = spending[0]["comparisons"] / rounds[0]["looks"]
    per_schedule = spread([1e3 * cost["cpu_seconds"] / schedules for cost in spending], 2)
    return "\n".join(
        [
            f"{machine()} One thread; {len(rounds)} rounds, each in a process of its own.",
            "",
            f"#### {rounds[0]['experiments']:,} experiments",
            "",
            *table(["model", "comparisons", "rows out", "CPU seconds", "µs of CPU per comparison", "goal"], rows),
            "",
            f"Peak memory {spread([one['peak_gib'] for one in rounds], 1)} GiB, the frames that were read among it.",
            f"Plans that spend alpha cost {per_schedule} ms of CPU a schedule of {rounds[0]['looks']} looks: their "
            "sequential p-values solve the boundaries of many levels.",
        ]
    )
