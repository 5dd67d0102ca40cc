"""The whole calibration: all studies, run one after the other or on several processes with the same result."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from multiprocessing import get_context

from python_stats.simulation.study import Result, Study, run
from python_stats.simulation.trials import Tally

MODULES = (
    "rates", "means", "ratios", "adjustment", "clusters", "quantiles", "resampling", "sequential", "families",
    "allocation", "causal", "bayes",
)  # fmt: skip


def all_studies() -> list[Study]:
    """Return the studies of all modules, in the order of the report."""
    return [study for name in MODULES for study in import_module(f"python_stats.simulation.studies.{name}").STUDIES]


def calibrate(
    *, seed: int, scale: float = 1.0, processes: int = 1, groups: Sequence[str] | None = None
) -> Iterator[list[Result]]:
    """Run the studies, one list of results each, in the order of the report.

    Parameters
    ----------
    seed : int
        Seed of all random numbers.
    scale : float, default 1
        Factor on the number of replications of every study.
    processes : int, default 1
        How many processes share the studies. The results do not depend on it.
    groups : sequence of str, optional
        Headings of the studies to run; all when absent.
    """
    chosen = [i for i, study in enumerate(all_studies()) if groups is None or study.group in groups]
    if processes == 1:
        for i in chosen:
            yield run(all_studies()[i], seed=seed, scale=scale)
        return
    studies = all_studies()
    # Started afresh, not forked: a fork inherits whatever threads hold at that moment.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        # Functions do not travel between processes; the numbers do, and find their study by its place.
        for i, numbers in zip(chosen, pool.map(_run, chosen, [seed] * len(chosen), [scale] * len(chosen)), strict=True):
            yield [Result(studies[i], *one) for one in numbers]


def _run(index: int, seed: int, scale: float) -> list[tuple[str, Tally, Tally]]:
    results = run(all_studies()[index], seed=seed, scale=scale)
    return [(result.method, result.null, result.effect) for result in results]
