"""The reference collection, case by case: which test checks it, or why none does.

A case that is added to the collection fails here until it has its place.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from .conftest import ORACLES

HERE = Path(__file__).parent
EXPECTED = ORACLES / "expected.json"

# Cases of questions that this package does not answer yet.
NOT_APPLICABLE = {
    "km_logrank_rmst_lung": "time to an event: metrics of that type have a status, no survival curve is estimated",
    "retention_fit": "retention curves: retention is compared at fixed windows, no curve is fitted",
    "roc_cost": "threshold choice from scores and labels: not a question of an experiment's results",
}


def records() -> list[dict[str, str]]:
    return json.loads(EXPECTED.read_text()) if EXPECTED.exists() else []


def asking_modules(case_id: str) -> list[str]:
    """Name the test modules that ask for the case."""
    asks = re.compile(rf'oracle_case\(\s*"{case_id}"')
    return sorted(path.name for path in HERE.glob("test_*.py") if asks.search(path.read_text()))


def named(record: dict[str, str]) -> str:
    return f"{record['id']} [{record['oracle']} {record['version']}]"


@pytest.mark.skipif(not EXPECTED.exists(), reason=f"reference cases not found at {ORACLES} (set EXPERIMENTS_ORACLES)")
def test_the_collection_is_there():
    assert records()


@pytest.mark.parametrize("record", records(), ids=named)
def test_case_is_checked_or_excused(record):
    modules = asking_modules(record["id"])
    if record["id"] in NOT_APPLICABLE:
        assert not modules, f"{named(record)} is checked in {modules}: take it off the list"
        pytest.skip(f"{named(record)}: {NOT_APPLICABLE[record['id']]}")
    assert modules, f"no test asks for {named(record)}"
