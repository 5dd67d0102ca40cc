"""Analyse the first comparisons of a file of aggregates with gbstats and print cost and results as one line of JSON.

It runs in an environment of its own (`requirements-gbstats.txt`) and imports nothing of this project.

gbstats has no analysis of many comparisons at once below the data frames of its runner, which are slower than this: its
two-sided t test, one comparison after the other, from statistics that were made of the aggregates before the clock
starts. The effect is asked for as a difference (``absolute``).
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
from gbstats.frequentist.tests import FrequentistConfig, TwoSidedTTest
from gbstats.models.statistics import RegressionAdjustedStatistic, SampleMeanStatistic

WARM_UP = 50


def statistics(table: dict[str, Any], cells: int) -> dict[str, list[tuple[Any, Any]]]:
    """Turn the aggregates into pairs of gbstats' statistics: a mean per arm, and a mean with its pre-period."""
    pairs: dict[str, list[tuple[Any, Any]]] = {"welch": [], "cuped": []}
    for cell in range(cells):
        means, adjusted = [], []
        for arm in ("control", "treatment"):
            n = int(table[f"n_{arm}"][cell])
            mean_y, mean_x, var_y, var_x, cov = (
                float(table[f"{name}_{arm}"][cell]) for name in ("mean_y", "mean_x", "var_y", "var_x", "cov_xy")
            )
            post, pre = (
                SampleMeanStatistic(n=n, sum=n * mean, sum_squares=(n - 1) * var + n * mean**2)
                for mean, var in ((mean_y, var_y), (mean_x, var_x))
            )
            means.append(post)
            adjusted.append(
                RegressionAdjustedStatistic(
                    n=n,
                    post_statistic=post,
                    pre_statistic=pre,
                    post_pre_sum_of_products=(n - 1) * cov + n * mean_x * mean_y,
                    theta=0.0,
                )
            )
        pairs["welch"].append((means[0], means[1]))
        pairs["cuped"].append((adjusted[0], adjusted[1]))
    return pairs


def main(argv: Sequence[str] | None = None) -> None:
    """Run once, in a process of its own."""
    parser = argparse.ArgumentParser(description="Time gbstats.")
    parser.add_argument("cells", type=Path, help="a file of `cells.write_cells`")
    parser.add_argument("--peer-cells", type=int, default=2_000)
    arguments = parser.parse_args(argv)
    with np.load(arguments.cells) as file:
        table = dict(file)
    count = min(arguments.peer_cells, len(table["n_control"]))
    config = FrequentistConfig(alpha=0.05, difference_type="absolute")

    cost, rows = {}, {}
    for kind, pairs in statistics(table, count).items():
        for control, treatment in pairs[:WARM_UP]:
            TwoSidedTTest(control, treatment, config).compute_result()
        started, started_cpu = time.perf_counter(), time.process_time()
        results = [TwoSidedTTest(control, treatment, config).compute_result() for control, treatment in pairs]
        cost[kind] = {
            "seconds": (time.perf_counter() - started) / count,
            "cpu_seconds": (time.process_time() - started_cpu) / count,
        }
        rows[kind] = {
            "effect": [float(result.expected) for result in results],
            "ci_low": [float(result.ci[0]) for result in results],
            "ci_high": [float(result.ci[1]) for result in results],
            "p_value": [float(result.p_value) for result in results],
        }
    versions = {name: metadata.version(name) for name in ("gbstats", "numpy", "scipy")}
    print(json.dumps({"cost": cost, "rows": rows, "versions": versions}))


if __name__ == "__main__":
    main()
