"""Time functions of python_stats beside those of scipy and statsmodels that answer the same question."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from importlib import metadata
from typing import Any

from processes import HERE, BenchmarkError, run_process
from report import machine, spread, table


def measure(*, cells: int, few: int, repeats: int, threads: int) -> list[dict[str, Any]]:
    """Run the script that prints a line of JSON `repeats` times.

    Raises
    ------
    BenchmarkError
        When a library that is not known to be wrong differs from ours.
    """
    rounds = []
    for number in range(1, repeats + 1):
        *_, text = run_process(
            [sys.executable, str(HERE / "library_run.py"), "--cells", str(cells), "--few", str(few)],
            threads=threads,
            environment={"PYTHONPATH": str(HERE.parent)},
        )
        rounds.append(check(json.loads(text.splitlines()[-1])))
        print(f"round {number}  {len(rounds[-1]['pairs'])} pairs", flush=True)
    return rounds


def check(one: dict[str, Any]) -> dict[str, Any]:
    """Return a round in which both sides agree, or stop."""
    for pair in one["pairs"]:
        if pair["differ"] + pair["errors"] and not pair["may_fail"]:
            raise BenchmarkError(
                f"{pair['name']} and {pair['library']} differ in {pair['differ']} of {pair['compared']}, "
                f"by {pair['largest_difference']:.1e} at most."
            )
    return one


def section(rounds: Sequence[dict[str, Any]]) -> str:
    """Write the results as Markdown."""
    rows = []
    for place, pair in enumerate(rounds[0]["pairs"]):
        seen = [one["pairs"][place] for one in rounds]
        agreement = "all" if not pair["may_fail"] else (
            f"{pair['compared'] - pair['differ'] - pair['errors']} of {pair['compared']}, {pair['errors']} errors"
        )  # fmt: skip
        rows.append(
            [
                f"`{pair['name']}`",
                pair["library"],
                "yes" if pair["takes_arrays"] else "no",
                spread([1e6 * one["own_seconds"] for one in seen], 2),
                spread([1e6 * one["library_seconds"] for one in seen], 2),
                spread([one["library_seconds"] / one["own_seconds"] for one in seen]),
                agreement,
            ]
        )
    header = ["ours", "library", "takes arrays of comparisons", "µs, ours", "µs, library", "library / ours", "agree"]
    imports = [
        [f"`{module}`", spread([one["imports"][module] for one in rounds], 2)] for module in rounds[0]["imports"]
    ]
    head = (
        f"{machine()} statsmodels {metadata.version('statsmodels')}. {len(rounds)} rounds, {rounds[0]['cells']:,} "
        f"comparisons (fewer of the slow ones), {rounds[0]['few']:,} where the library makes them one at a time; CPU "
        "time per comparison."
    )
    return "\n".join([head, "", *table(header, rows), "", *table(["import, beyond NumPy", "CPU seconds"], imports)])
