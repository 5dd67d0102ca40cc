"""Stand-ins for dbt's own macros, for sqlfluff."""

from __future__ import annotations

from collections.abc import Callable


def listagg(*arguments: object) -> str:
    """Return an aggregate."""
    return "max('x')"


def type_string() -> str:
    """Return a type."""
    return "varchar"


def type_bigint() -> str:
    """Return a type."""
    return "bigint"


def type_timestamp() -> str:
    """Return a type."""
    return "timestamp"


def __getattr__(name: str) -> Callable[..., str]:
    def stand_in(*arguments: object, **named: object) -> str:
        return f"made_by_{name}"

    return stand_in
