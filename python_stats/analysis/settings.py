"""The project's settings of the estimates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
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
    lift_interval : str
        Interval of the lift, of `python_stats.lift.LIFT_METHODS`.
    prior_lift_sd : float or None
        Spread of the prior of the lift in the Bayesian reading; None is flat.
    always_valid_target_units : float
        Units of both arms at which an always-valid interval is narrowest, where the plan names none.
    srm_prior_units : float
        Concentration of the sequential allocation test's prior around the plan, in units.
    correction : mapping of str to str
        Correction of each role, for experiments that do not name one.
    """

    min_units: int = 2
    exact_below: float = 10.0
    score_below: float = 40.0
    skewness_corrected_from: float = 0.1
    skewness_limit: float = 0.7
    lift_interval: str = "log_delta"
    prior_lift_sd: float | None = None
    always_valid_target_units: float = 10_000.0
    srm_prior_units: float = 100.0
    correction: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, **given: Any) -> Settings:  # noqa: ANN401 - what a configuration holds
        """Read the settings from the project variables that a model's configuration holds.

        Parameters
        ----------
        **given
            By the name of the attribute; text is read as the attribute's type, ``None`` may be text too. Those left
            out have their default.

        Raises
        ------
        TypeError
            For a name that is no setting.
        """
        kinds = {each.name: each.type for each in fields(cls)}
        values: dict[str, Any] = {}
        for name, value in given.items():
            kind = kinds.get(name)
            if kind is None:
                raise TypeError(f"{name} is no setting; settings are {', '.join(kinds)}")
            if value in (None, "None"):
                values[name] = None
            elif kind == "int":
                values[name] = int(value)
            else:
                values[name] = float(value) if kind.startswith("float") else value
        return cls(**values)


# The settings of a project that has none of its own.
DEFAULTS = Settings()
