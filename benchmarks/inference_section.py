"""Time the inference alone, from moments in memory, and one comparison beside gbstats and tea-tasting.

Every run is a process of its own; a round runs ours, gbstats and tea-tasting one after the other on the same file of
aggregates. In every round the effects, intervals and p-values of the peers must be ours.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cells import write_cells
from processes import HERE, BenchmarkError, peer_python, run_process
from report import machine, spread, table

PEERS = {"gbstats": "gbstats_run.py", "tea-tasting": "tea_tasting_cells_run.py"}
KINDS = {"welch": "Welch", "cuped": "CUPED"}
STEPS = {
    "cuped": "CUPED, beside the unadjusted Welch test",
    "lift": "lift with its interval",
    "sequence": "asymptotic confidence sequence",
    "families": "Benjamini-Hochberg within families",
}
# Of the width of the interval. gbstats takes sums of squares, which cost the digits that a mean far from zero has more
# than the standard deviation.
TOLERANCE = 1e-9
MOST_SECONDS = 5.0
LEAST_RATIO = {"gbstats": 50, "tea-tasting": 300}


@dataclass(frozen=True)
class Round:
    """What each contestant printed, and the largest difference from ours by peer, in widths of the interval."""

    printed: dict[str, dict[str, Any]]
    difference: dict[str, float]


def largest_difference(ours: dict[str, list[float]], theirs: dict[str, list[float]], *, who: str) -> float:
    """Compare effects, limits and p-values of all comparisons.

    Returns
    -------
    float
        The largest difference of an effect or a limit, as a fraction of the interval's width.

    Raises
    ------
    BenchmarkError
        When a number is missing, or one differs by more than `TOLERANCE` (absolutely, for a p-value).
    """
    worst = 0.0
    for field in ("effect", "ci_low", "ci_high", "p_value"):
        if len(ours[field]) != len(theirs[field]):
            raise BenchmarkError(f"{who} made {len(theirs[field])} comparisons, not {len(ours[field])}.")
        for cell, (left, right) in enumerate(zip(ours[field], theirs[field], strict=True)):
            width = 1.0 if field == "p_value" else ours["ci_high"][cell] - ours["ci_low"][cell]
            difference = abs(left - right) / width
            # a NaN is no agreement either
            if not difference <= TOLERANCE:
                raise BenchmarkError(f"{field} of comparison {cell} differs: {left!r}, and {right!r} by {who}.")
            if field != "p_value":
                worst = max(worst, difference)
    return worst


def _run(python: Path, script: str, cells: Path, threads: int, *options: str) -> dict[str, Any]:
    """Run one of the scripts that print a line of JSON."""
    *_, text = run_process(
        [str(python), str(HERE / script), str(cells), *options],
        threads=threads,
        environment={"PYTHONPATH": str(HERE.parent)} if script == "inference_run.py" else None,
    )
    return json.loads(text.splitlines()[-1])


def measure(
    *, cells: int, families: int, peer_cells: int, schedules: int, repeats: int, threads: int, peers: Sequence[str]
) -> list[Round]:
    """Run ours and the peers `repeats` times in alternation."""
    pythons = {peer: peer_python(peer) for peer in peers}
    rounds = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "cells.npz"
        write_cells(file, cells)
        few = ["--peer-cells", str(peer_cells)]
        for number in range(1, repeats + 1):
            options = ["--families", str(families), "--schedules", str(schedules), *few]
            printed = {"ours": _run(Path(sys.executable), "inference_run.py", file, threads, *options)}
            difference = {}
            for peer, python in pythons.items():
                printed[peer] = _run(python, PEERS[peer], file, threads, *few)
                difference[peer] = max(
                    largest_difference(printed["ours"]["rows"][kind], printed[peer]["rows"][kind], who=peer)
                    for kind in KINDS
                )
            rounds.append(Round(printed, difference))
            print(f"round {number}  {cells:,} comparisons {printed['ours']['total']['seconds']:.2f} s", flush=True)
    return rounds


def _micro(cost: dict[str, float], key: str) -> float:
    return 1e6 * cost[key]


def _throughput(rounds: Sequence[Round]) -> list[str]:
    ours = [one.printed["ours"] for one in rounds]
    cells = ours[0]["cells"]
    costs = {label: [one["steps"][step] for one in ours] for step, label in STEPS.items()}
    costs["**everything**"] = [one["total"] for one in ours]
    lines = [f"#### {cells:,} comparisons, {ours[0]['families']:,} families", ""]
    lines += table(
        ["step", "seconds", "CPU seconds", "µs per comparison (CPU)", "goal"],
        [
            [
                label,
                spread([cost["seconds"] for cost in cost_of], 2),
                spread([cost["cpu_seconds"] for cost in cost_of], 2),
                spread([_micro(cost, "cpu_seconds") / cells for cost in cost_of], 2),
                f"at most {MOST_SECONDS:g} s" if label.startswith("**") else "",
            ]
            for label, cost_of in costs.items()
        ],
    )
    sequential = [one["sequential"] for one in ours]
    lines += [
        "",
        f"Group-sequential boundaries of {ours[0]['schedules']:,} different schedules of {ours[0]['looks']} unequal "
        f"looks ({sequential[0]['solved']:,} solved): {spread([cost['seconds'] for cost in sequential])} s, "
        f"{spread([cost['cpu_seconds'] for cost in sequential])} CPU seconds.",
        "",
    ]
    return lines


def _peers(rounds: Sequence[Round]) -> list[str]:
    ours = [one.printed["ours"] for one in rounds]
    peers = [peer for peer in PEERS if peer in rounds[0].printed]
    few, many = ours[0]["peer_cells"], ours[0]["cells"]
    batches = {"large_batch": f"ours, {many:,} in a call", "small_batch": f"ours, {few:,} in a call"}

    def row(label: str, costs: Sequence[dict[str, dict[str, float]]], suffix: str = "") -> list[str]:
        return [
            label,
            *(
                spread([_micro(cost[kind + suffix], key) for cost in costs], 2)
                for key in ("seconds", "cpu_seconds")
                for kind in KINDS
            ),
        ]

    header = [f"{name}, {unit}" for unit in ("µs", "µs of CPU") for name in KINDS.values()]
    rows = []
    for batch, label in batches.items():
        rows.append(row(label, [one[batch] for one in ours]))
        rows.append(row(f"{label}, with the lift's interval", [one[batch] for one in ours], "_lift"))
    rows += [row(f"{peer}, one after the other", [one.printed[peer]["cost"] for one in rounds]) for peer in peers]
    lines = [f"#### One comparison, of the same {few:,}", "", *table(["", *header], rows), ""]

    ratios = []
    for peer in peers:
        # tea-tasting computes the interval of the relative effect in any case
        suffix = "_lift" if peer == "tea-tasting" else ""
        for batch, label in batches.items():
            ratios.append(
                [
                    f"{peer} / {label}{', with the lift' if suffix else ''}",
                    *(
                        spread(
                            [
                                one.printed[peer]["cost"][kind][key] / one.printed["ours"][batch][kind + suffix][key]
                                for one in rounds
                            ],
                            0,
                        )
                        for key in ("seconds", "cpu_seconds")
                        for kind in KINDS
                    ),
                    f"at least {LEAST_RATIO[peer]}",
                ]
            )
    if ratios:
        header = [f"{name}, of {unit}" for unit in ("seconds", "CPU seconds") for name in KINDS.values()]
        lines += [*table(["ratio", *header, "goal"], ratios), ""]
        worst = ", ".join(f"{max(one.difference[peer] for one in rounds):.0e} for {peer}" for peer in peers)
        lines += [
            f"Largest difference of an effect or a limit from ours, as a fraction of the interval's width: {worst}.",
            "",
        ]
    return lines


def section(rounds: Sequence[Round]) -> str:
    """Write the results as Markdown."""
    versions = []
    for peer in PEERS:
        if peer in rounds[0].printed:
            found = rounds[0].printed[peer]["versions"]
            versions.append(f"{peer} {found[peer]} (NumPy {found['numpy']}, SciPy {found['scipy']})")
    head = f"{machine()} {', '.join(versions) or 'No peers'}. One thread for everybody; {len(rounds)} rounds."
    return "\n".join([head, "", *_throughput(rounds), *_peers(rounds)])
