"""Time a quantile's and a bootstrap's interval beside the scan that fetches their inputs."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from processes import HERE, run_process
from report import machine, spread, table

SCRIPT = "quantile_run.py"
QUERIES = {
    "order_statistics": "query for the order statistics around the quantile",
    "buckets": "query for the totals of hash buckets",
}
INFERENCE = {
    "p99": "interval of the difference of two 99th percentiles",
    "bootstrap": "bootstrap interval of the difference of two capped means",
}
UNITS = ("seconds", "cpu_seconds")


def measure(*, units: int, repeats: int, threads: int) -> list[dict[str, float]]:
    """Run the script that prints a line of JSON `repeats` times."""
    rounds = []
    for number in range(1, repeats + 1):
        *_, text = run_process(
            [sys.executable, str(HERE / SCRIPT), "--units", str(units), "--threads", str(threads)],
            threads=threads,
            environment={"PYTHONPATH": str(HERE.parent)},
        )
        rounds.append(json.loads(text.splitlines()[-1]))
        print(
            f"round {number}  "
            + "  ".join(f"{step} {rounds[-1][f'{step}_seconds']:.3f} s" for step in (*QUERIES, *INFERENCE)),
            flush=True,
        )
    return rounds


def section(rounds: Sequence[dict[str, float]], *, units: int, threads: int) -> str:
    """Write the results as Markdown."""
    rows = []
    for step, label in (QUERIES | INFERENCE).items():
        shares = (
            [
                *(spread([one[f"{step}_{unit}"] / one[f"scan_{unit}"] for one in rounds], 3) for unit in UNITS),
                "below 1",
            ]
            if step in INFERENCE
            else ["", "", ""]
        )
        rows.append([label, *(spread([one[f"{step}_{unit}"] for one in rounds], 3) for unit in UNITS), *shares])
    head = f"{machine()} {threads} threads for the queries; {len(rounds)} rounds. The scan is the cheaper query."
    body = table(["step", "seconds", "CPU seconds", "of the scan's seconds", "of its CPU seconds", "goal"], rows)
    return "\n".join([head, "", f"#### {units:,} units", "", *body])
