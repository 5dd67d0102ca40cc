"""Analyse the comparisons of a file of aggregates with python_stats and print costs and results as one line of JSON."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from python_stats.adjustment.pre_period import cuped
from python_stats.families.multiplicity import adjust
from python_stats.lift import Lift, lift_interval
from python_stats.means.welch import welch_t
from python_stats.moments import Moments, moments_from_columns
from python_stats.sequential.always_valid import asymptotic_cs
from python_stats.sequential.group_sequential import spending_boundaries
from python_stats.wald import Comparison

Arrays = dict[str, NDArray[np.float64]]
Cost = dict[str, float]
Result = TypeVar("Result")

# Each timing of a small batch repeats the call for at least this long.
LEAST_SECONDS = 0.2
ARMS = ("control", "treatment")


def timed(call: Callable[[], Result]) -> tuple[Result, Cost]:
    """Call once and return the result with wall and CPU seconds."""
    started, started_cpu = time.perf_counter(), time.process_time()
    result = call()
    return result, {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - started_cpu}


def arm_moments(table: Arrays, arm: str) -> Moments:
    """Moments of (outcome, pre-period) of one arm."""
    n, mean_y, mean_x, var_y, var_x, cov = (
        table[f"{name}_{arm}"] for name in ("n", "mean_y", "mean_x", "var_y", "var_x", "cov_xy")
    )
    return moments_from_columns(n, [mean_y, mean_x], [[var_y], [cov, var_x]])


def everything(
    control: Moments, treatment: Moments, family: NDArray[np.int64], *, target_n: float
) -> tuple[dict[str, NDArray[np.float64]], dict[str, Cost]]:
    """Run all steps of an analysis on all comparisons, one call each.

    Returns
    -------
    results : dict of str to ndarray
        The adjusted effect's p-value, its adjustment for the family, and both ends of the lift and of the sequence.
    cost : dict of str to dict
        `seconds` and `cpu_seconds` by step.
    """
    cost = {}
    adjusted, cost["cuped"] = timed(lambda: cuped(control, treatment))
    comparison = adjusted.comparison
    lift, cost["lift"] = timed(
        lambda: lift_interval(
            comparison.effect,
            comparison.se,
            adjusted.mean_control,
            adjusted.se_control,
            cov_effect_control=adjusted.cov_effect_control,
            df=comparison.df,
        )
    )
    # one look per comparison: the last axis of a sequence is the axis of looks
    sequence, cost["sequence"] = timed(
        lambda: asymptotic_cs(
            comparison.effect[:, None], comparison.se[:, None], (control.n + treatment.n)[:, None], target_n=target_n
        )
    )
    corrected, cost["families"] = timed(lambda: adjust(comparison.p_value, family, "benjamini_hochberg"))
    results = {
        "p_value": comparison.p_value,
        "p_value_adjusted": corrected,
        "lift_low": lift.ci_low,
        "lift_high": lift.ci_high,
        "sequence_low": sequence.ci_low[:, 0],
        "sequence_high": sequence.ci_high[:, 0],
    }
    return results, cost


def compare(control: Moments, treatment: Moments, *, adjust_by_covariate: bool, with_lift: bool) -> Comparison:
    """Make one kind of comparison: Welch or CUPED, with or without the lift's interval."""
    if adjust_by_covariate:
        result = cuped(control, treatment)
        comparison, base = result.comparison, (result.mean_control, result.se_control)
        covariance = result.cov_effect_control
    else:
        arms = ((arm.mean[..., 0], arm.cov[..., 0, 0], arm.n) for arm in (control, treatment))
        comparison = welch_t(*(column for arm in arms for column in arm))
        base, covariance = (control.mean[..., 0], np.sqrt(control.cov[..., 0, 0] / control.n)), None
    if with_lift:
        _lift(comparison, base, covariance)
    return comparison


def _lift(comparison: Comparison, base: tuple[Any, Any], covariance: NDArray[np.float64] | None) -> Lift:
    return lift_interval(comparison.effect, comparison.se, *base, cov_effect_control=covariance, df=comparison.df)


def per_comparison(control: Moments, treatment: Moments) -> tuple[dict[str, Any], dict[str, Cost]]:
    """Time each kind of comparison on all cells in one call, repeated until the clock can see it.

    Returns
    -------
    rows : dict of str to dict
        ``welch`` and ``cuped``: effect, interval and p-value of every comparison, as lists.
    cost : dict of str to dict
        Seconds for one comparison, by kind; ``…_lift`` with the lift's interval.
    """
    rows, cost = {}, {}
    for name, adjust_by_covariate in (("welch", False), ("cuped", True)):
        for suffix, with_lift in (("", False), ("_lift", True)):
            repeats, total = 0, {"seconds": 0.0, "cpu_seconds": 0.0}
            while total["seconds"] < LEAST_SECONDS:
                result, spent = timed(
                    lambda a=adjust_by_covariate, b=with_lift: compare(
                        control, treatment, adjust_by_covariate=a, with_lift=b
                    )
                )
                total = {key: total[key] + spent[key] for key in total}
                repeats += 1
            cost[name + suffix] = {key: value / repeats / control.n.size for key, value in total.items()}
        rows[name] = {field: getattr(result, field).tolist() for field in ("effect", "ci_low", "ci_high", "p_value")}
    return rows, cost


def information_fractions(schedules: int, looks: int, *, seed: int = 1) -> NDArray[np.float64]:
    """Draw schedules of looks at unequal information, all different, that end at 85 to 100 % of the plan."""
    rng = np.random.default_rng(seed)
    units = np.cumsum(rng.gamma(4.0, size=(schedules, looks)), axis=1)
    return units / units[:, -1:] * rng.uniform(0.85, 1.0, (schedules, 1))


def run(table: Arrays, *, families: int, peer_cells: int, schedules: int, looks: int) -> dict[str, Any]:
    """Time everything once.

    Parameters
    ----------
    table
        The arrays of `cells.draw_cells`.
    families
        Families of tests, of equal size.
    peer_cells
        The first so many comparisons are those that the peers make too.
    schedules, looks
        Group-sequential designs to solve, and looks of each.
    """
    control, treatment = (arm_moments(table, arm) for arm in ARMS)
    few = slice(peer_cells)
    cells = control.n.size
    compare(control[few], treatment[few], adjust_by_covariate=True, with_lift=True)

    family = np.arange(cells) % families
    (_, steps), total = timed(lambda: everything(control, treatment, family, target_n=20_000.0))
    rows, small = per_comparison(control[few], treatment[few])
    _, large = per_comparison(control, treatment) if cells > peer_cells else (rows, small)
    fractions = information_fractions(schedules, looks)
    boundaries, sequential = timed(lambda: spending_boundaries(fractions))
    return {
        "cells": cells,
        "families": families,
        "peer_cells": int(control[few].n.size),
        "schedules": schedules,
        "looks": looks,
        "steps": steps,
        "total": total,
        "small_batch": small,
        "large_batch": large,
        "sequential": sequential | {"solved": int(np.isfinite(boundaries.z_boundary).all(axis=1).sum())},
        "rows": rows,
        "versions": {name: metadata.version(name) for name in ("numpy", "scipy")},
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Run once, in a process of its own."""
    parser = argparse.ArgumentParser(description="Time the inference of this package.")
    parser.add_argument("cells", type=Path, help="a file of `cells.write_cells`")
    parser.add_argument("--families", type=int, default=50_000)
    parser.add_argument("--peer-cells", type=int, default=2_000)
    parser.add_argument("--schedules", type=int, default=10_000)
    parser.add_argument("--looks", type=int, default=14)
    arguments = vars(parser.parse_args(argv))
    with np.load(arguments.pop("cells")) as file:
        table = dict(file)
    print(json.dumps(run(table, **arguments)))


if __name__ == "__main__":
    main()
