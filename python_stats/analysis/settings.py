"""The project's settings of the estimates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Settings:
    """The project's settings of the estimates; docs/configuration.md explains each.

    Attributes
    ----------
    min_units : int
        An arm with fewer mature units has a status instead of a test.
    exact_below : float
        Expected events below which rates are compared exactly.
    score_below : float
        Expected events below which rates have score intervals.
    skewness_corrected_from : float
        Skewness of an estimated difference, in size, from which on it is compared by Hall's transformation.
    skewness_limit : float
        Skewness of an estimated difference, in size, beyond which nothing is compared.
    lift_method : str
        Interval of the lift, of `python_stats.lift.LIFT_METHODS`.
    prior_lift_sd : float or None
        Spread of the prior of the lift in the Bayesian reading; None is flat.
    corrections : mapping of str to str
        Correction of each role, for experiments that do not name one.
    """

    min_units: int = 2
    exact_below: float = 10.0
    score_below: float = 40.0
    skewness_corrected_from: float = 0.1
    skewness_limit: float = 0.7
    lift_method: str = "log_delta"
    prior_lift_sd: float | None = None
    corrections: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, **variables: str | float | None) -> Settings:
        """Read the settings from project variables as a model's configuration holds them, most of them as text.

        Parameters
        ----------
        **variables : str, float or None
            By the name of the attribute; ``None`` may be text too. Those left out have their default.
        """
        values: dict[str, Any] = {}
        for name, value in variables.items():
            if name == "min_units":
                values[name] = int(value)
            elif name == "lift_method":
                values[name] = value
            else:
                values[name] = None if value in (None, "None") else float(value)
        return cls(**values)


# The settings of a project that has none of its own.
DEFAULTS = Settings()
