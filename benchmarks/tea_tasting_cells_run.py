"""Analyse the first comparisons of a file of aggregates with tea-tasting, print cost and results as one line of JSON.

It runs in an environment of its own (`requirements-peer.txt`) and imports nothing of this project.

tea-tasting's metrics take aggregates in place of data; one comparison follows the other, from aggregates that were made
before the clock starts. It always computes the interval of the relative effect as well.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import tea_tasting as tt
from tea_tasting.aggr import Aggregates

WARM_UP = 50
FIELDS = {
    "effect": "effect_size",
    "ci_low": "effect_size_ci_lower",
    "ci_high": "effect_size_ci_upper",
    "p_value": "pvalue",
}


def aggregates(table: dict[str, Any], cells: int) -> list[dict[object, Aggregates]]:
    """Turn the arrays into tea-tasting's aggregates, a dict of both arms per comparison."""
    return [
        {
            arm: Aggregates(
                count_=int(table[f"n_{arm}"][cell]),
                mean_={name: float(table[f"mean_{name}_{arm}"][cell]) for name in "xy"},
                var_={name: float(table[f"var_{name}_{arm}"][cell]) for name in "xy"},
                cov_={("x", "y"): float(table[f"cov_xy_{arm}"][cell])},
            )
            for arm in ("control", "treatment")
        }
        for cell in range(cells)
    ]


def main(argv: Sequence[str] | None = None) -> None:
    """Run once, in a process of its own."""
    parser = argparse.ArgumentParser(description="Time tea-tasting on aggregates.")
    parser.add_argument("cells", type=Path, help="a file of `cells.write_cells`")
    parser.add_argument("--peer-cells", type=int, default=2_000)
    arguments = parser.parse_args(argv)
    with np.load(arguments.cells) as file:
        table = dict(file)
    count = min(arguments.peer_cells, len(table["n_control"]))
    comparisons = aggregates(table, count)

    cost, rows = {}, {}
    for kind, metric in (("welch", tt.Mean("y")), ("cuped", tt.Mean("y", "x"))):
        for arms in comparisons[:WARM_UP]:
            metric.analyze(arms, "control", "treatment")
        started, started_cpu = time.perf_counter(), time.process_time()
        results = [metric.analyze(arms, "control", "treatment") for arms in comparisons]
        cost[kind] = {
            "seconds": (time.perf_counter() - started) / count,
            "cpu_seconds": (time.process_time() - started_cpu) / count,
        }
        rows[kind] = {field: [float(getattr(row, name)) for row in results] for field, name in FIELDS.items()}
    versions = {name: metadata.version(name) for name in ("tea-tasting", "numpy", "scipy")}
    print(json.dumps({"cost": cost, "rows": rows, "versions": versions}))


if __name__ == "__main__":
    main()
