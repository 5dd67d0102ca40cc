"""Reference numbers from independent tools, as a fixture.

The full collection lives beside the repository (``shared/oracles``) or wherever ``EXPERIMENTS_ORACLES`` points. A test
that needs a case which is not on this machine is skipped with a message that names it.
"""

from __future__ import annotations

import csv
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

# The same examples in every run: a change fails for what it changed, not for what was drawn today.
settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")

ROOT = Path(__file__).resolve().parents[3]
ORACLES = Path(os.environ.get("EXPERIMENTS_ORACLES", ROOT.parent / "shared" / "oracles"))


@dataclass(frozen=True)
class Case:
    """One reference case: its inputs, and a check of a number of ours against one of the oracle's."""

    record: dict[str, Any]

    @property
    def inputs(self) -> dict[str, Any]:
        """The literal inputs of a case without a data file."""
        return self.record["inputs"]

    @property
    def expected(self) -> dict[str, Any]:
        """Every number the oracle printed."""
        return self.record["expected"]

    def table(self, name: str | None = None) -> dict[str, np.ndarray]:
        """Columns of the case's CSV, numeric where every value is a number."""
        path = ORACLES / (name or self.record["data"])
        with path.open(newline="") as handle:
            rows = list(csv.DictReader(handle))
        columns: dict[str, np.ndarray] = {}
        for key in rows[0]:
            values = [row[key] for row in rows]
            try:
                columns[key] = np.array([float(v) for v in values])
            except ValueError:
                columns[key] = np.array(values)
        return columns

    def check(self, key: str, got: Any, expected: Any = None) -> None:
        """Assert that ``got`` is the oracle's number ``key`` within the case's tolerance.

        ``expected`` overrides the look-up for numbers nested inside a key.
        """
        tolerance = dict(self.record["tolerance"])
        own = tolerance.get(key)
        if isinstance(own, dict):
            tolerance = own
        want = np.asarray(self.expected[key] if expected is None else expected, dtype=float)
        bound = tolerance.get("abs", 0.0) + tolerance.get("rel", 0.0) * np.abs(want)
        error = np.abs(np.asarray(got, dtype=float) - want)
        label = f"{self.record['id']}.{key} ({self.record['oracle']} {self.record['version']})"
        assert np.all(error <= bound), f"{label}: got {got}, oracle {want}, allowed {bound}"


@pytest.fixture
def oracle_case():
    """``oracle_case("welch_t")`` gives the reference case, or skips the test where the collection is absent."""
    path = ORACLES / "expected.json"
    if not path.exists():
        pytest.skip(f"reference cases not found at {ORACLES} (set EXPERIMENTS_ORACLES)")
    cases = {record["id"]: record for record in json.loads(path.read_text())}

    def find(case_id: str) -> Case:
        return Case(cases[case_id])

    return find
