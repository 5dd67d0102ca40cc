"""One direction: no model reads a model of a later layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

FILE_NAME = "warehouse.duckdb"

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# Folders under `models/`, each row after what it may read; a layer may read itself and every layer before it.
LAYERS = (("inputs",), ("schema",), ("units",), ("moments",), ("inference",), ("decisions", "checks"), ("marts",))
# The quarantine stands beside the moments: it says what the inputs, the schema and the unit pass set aside, and is read
# by those who report it. No number may depend on it.
QUARANTINE_READS = {"inputs", "schema", "units", "quarantine"}
READERS_OF_QUARANTINE = {"quarantine", "decisions", "checks", "marts"}

PLACE = {folder: place for place, row in enumerate(LAYERS) for folder in row}


def is_upwards(reader: str, read: str) -> bool:
    """Say whether a model of one folder may not read a model of another."""
    if "quarantine" in (reader, read):
        return (reader == "quarantine" and read not in QUARANTINE_READS) or reader not in READERS_OF_QUARANTINE
    return PLACE[read] > PLACE[reader]


def upwards(refs: Iterable[tuple[tuple[str, str], tuple[str, str]]]) -> list[str]:
    """Name the refs, pairs of (folder, model), that point to a later layer."""
    return [
        f"{reader[0]}/{reader[1]} reads {read[0]}/{read[1]}" for reader, read in refs if is_upwards(reader[0], read[0])
    ]


@pytest.mark.parametrize(
    ("reader", "read", "forbidden"),
    [
        ("schema", "moments", True),
        ("units", "moments", True),
        ("inference", "marts", True),
        ("moments", "inference", True),
        ("checks", "marts", True),
        ("quarantine", "moments", True),
        ("moments", "quarantine", True),
        ("schema", "quarantine", True),
        ("quarantine", "units", False),
        ("checks", "quarantine", False),
        ("checks", "decisions", False),
        ("marts", "schema", False),
        ("moments", "moments", False),
    ],
)
def test_a_ref_to_a_later_layer_is_found(reader, read, forbidden):
    assert bool(upwards([((reader, "a"), (read, "b"))])) is forbidden


def test_no_model_reads_upwards(dbt_session, tmp_path: Path):
    manifest = dbt_session.manifest(tmp_path / FILE_NAME, {"demo": False})
    nodes = {key: node for key, node in manifest.nodes.items() if node.resource_type == "model"}
    models = {key: (node.fqn[1], node.name) for key, node in nodes.items()}
    assert {folder for folder, _ in models.values()} <= {*PLACE, "quarantine"}, "a folder without a place in the order"
    refs = [(models[key], models[read]) for key in nodes for read in nodes[key].depends_on.nodes if read in models]
    # Refs of Python models, and those that a macro makes, are among them.
    assert (("inference", "experiments__effect"), ("moments", "experiments__comparison")) in refs
    assert (("units", "experiments__unit_total"), ("schema", "experiments__plan_kpi")) in refs
    assert upwards(refs) == []
