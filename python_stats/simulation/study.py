"""A study: one population, the methods that are tried on it, and why some of them fail there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from zlib import crc32

import numpy as np

from python_stats.simulation.trials import Tally, Trials

# Draws replications of an experiment, without or with an effect, and returns each method's answers.
Simulate = Callable[[np.random.Generator, int, bool], dict[str, Trials]]


@dataclass(frozen=True)
class Study:
    """One population and what is tried on it.

    Attributes
    ----------
    group : str
        Heading of the table.
    scenario : str
        The population in words.
    effect : str
        The effect at which power is measured, in words.
    simulate : callable
        ``simulate(rng, replications, with_effect)`` returns one `Trials` per method.
    replications : int
        Replications of the full run.
    block : int
        Replications drawn at once, to bound memory. It is part of the random stream: changing it changes the numbers
        within their error.
    notes : mapping of str to str
        Why a method is off its level here, by method; what is noted for ``*`` goes for all that are.
    contrast : tuple of str
        Methods that the package never takes by itself here, shown for what goes wrong without the right one.
    beyond : str
        Why no method promises anything for this population; empty where it is one that the promise is about.
    """

    group: str
    scenario: str
    effect: str
    simulate: Simulate
    replications: int = 10_000
    block: int = 1_000
    notes: Mapping[str, str] = field(default_factory=dict)
    contrast: tuple[str, ...] = ()
    beyond: str = ""

    def __post_init__(self) -> None:
        """Refuse to call what the package picks by itself a contrast."""
        if "headline" in self.contrast:
            raise ValueError(f"{self.group}: {self.scenario}: the headline is what the package offers, not a contrast")


@dataclass
class Result:
    """One method in one study: tallies without and with an effect."""

    study: Study
    method: str
    null: Tally
    effect: Tally


def run(study: Study, *, seed: int, scale: float = 1.0) -> list[Result]:
    """Simulate a study and count each method's errors.

    Parameters
    ----------
    study : Study
        What to simulate.
    seed : int
        Seed of the whole table; each study, with and without effect, has a stream of its own.
    scale : float, default 1
        Factor on the number of replications.

    Returns
    -------
    list of Result
        One per method, in the order in which the study names them.
    """
    replications = max(1, round(study.replications * scale))
    tallies: dict[str, tuple[Tally, Tally]] = {}
    for with_effect in (False, True):
        rng = np.random.default_rng([seed, crc32(f"{study.group}: {study.scenario}".encode()), with_effect])
        for start in range(0, replications, study.block):
            block = min(study.block, replications - start)
            for method, trials in study.simulate(rng, block, with_effect).items():
                tallies.setdefault(method, (Tally(), Tally()))[with_effect].add(trials)
    for pair in tallies.values():
        for tally in pair:
            # A method without a row in some block had no answer there.
            tally.replications = replications
    return [Result(study, method, *pair) for method, pair in tallies.items()]
