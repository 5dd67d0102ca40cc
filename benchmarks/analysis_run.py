"""Time the inference models on a programme in memory, from their frames to their frames; print a line of JSON.

`effects` is what the model `effect` does without the engine's reading and writing, `look` what the model `look` does.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
from comparison_frame import METRICS, comparison_frame

from python_stats.analysis.effects import effects
from python_stats.analysis.judgement.monitoring import SEQUENTIAL_COLUMNS
from python_stats.analysis.look_estimates import look_estimates
from python_stats.analysis.settings import Settings
from python_stats.analysis.table.typed_frame import EFFECT_COLUMNS, LOOK_COLUMNS, typed_frame

SETTINGS = Settings(correction={"primary": "holm", "guardrail": "bonferroni", "secondary": "bh", "exploratory": "bh"})
LOOKS, ARMS = 10, 10
# No plan, and the methods that need no end; boundaries by spending are timed by themselves.
METHODS = (None, "asymptotic_cs", "msprt")


def _effects(comparisons: pd.DataFrame, looks: pd.DataFrame) -> pd.DataFrame:
    return typed_frame(effects(comparisons, {}, looks, SETTINGS), EFFECT_COLUMNS)


def _look(comparisons: pd.DataFrame) -> pd.DataFrame:
    columns = LOOK_COLUMNS | SEQUENTIAL_COLUMNS
    return typed_frame(look_estimates(comparisons, SETTINGS).frame(list(columns)), columns)


def _timed(function: Callable[..., pd.DataFrame], *frames: pd.DataFrame) -> dict[str, float]:
    start = time.perf_counter(), time.process_time()
    rows = len(function(*frames))
    return {
        "seconds": time.perf_counter() - start[0],
        "cpu_seconds": time.process_time() - start[1],
        "comparisons": len(frames[0]),
        "rows": rows,
    }


def run(*, experiments: int, schedules: int) -> dict[str, Any]:
    """Time both models on the programme, and `look` on plans that spend alpha."""
    spending = comparison_frame(
        -(-schedules // len(METRICS)), looks=LOOKS, arms=1, seed=3, methods=("obrien_fleming", "pocock")
    )
    result = {"schedules": schedules, "looks": LOOKS, "spending": _timed(_look, spending)}
    del spending
    by_look = comparison_frame(experiments, looks=LOOKS, arms=1, seed=1, methods=METHODS)
    result |= {"experiments": experiments, "look": _timed(_look, by_look)}
    del by_look
    at_end = comparison_frame(experiments, looks=1, arms=ARMS, seed=2, methods=METHODS)
    result["effects"] = _timed(_effects, at_end, _look(at_end))
    # Kibibytes on Linux; the input frames are part of it.
    result["peak_gib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return result


def main(argv: Sequence[str] | None = None) -> None:
    """Run once."""
    parser = argparse.ArgumentParser(description="Time the inference models on a programme in memory.")
    parser.add_argument("--experiments", type=int, required=True)
    parser.add_argument("--schedules", type=int, required=True)
    arguments = parser.parse_args(argv)
    print(json.dumps(run(experiments=arguments.experiments, schedules=arguments.schedules)))


if __name__ == "__main__":
    main()
