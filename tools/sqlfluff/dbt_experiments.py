"""Stand-ins for the macros, so that sqlfluff can render a model without dbt: each gives a plain column name."""

from __future__ import annotations

from collections.abc import Callable


class Words(dict[str, list[str]]):
    """Lists of allowed words, reachable as attributes as in Jinja."""

    def __getattr__(self, name: str) -> list[str]:
        """Return one word for any list."""
        return [name]


def moment_variables() -> list[str]:
    """Return the variables that loops over moments go through."""
    return ["numerator", "denominator"]


def moment_pairs() -> list[list[str]]:
    """Return the pairs that loops over second moments go through."""
    return [["numerator", "numerator"], ["numerator", "denominator"]]


def moment_triples() -> dict[str, list[str]]:
    """Return the columns and factors that loops over third moments go through."""
    return {
        "cubes_numerator": ["numerator", "numerator", "numerator"],
        "squares_numerator_covariate": ["numerator", "numerator", "covariate"],
    }


def moment_name(a: str, b: str) -> str:
    """Return the column of a second moment."""
    return f"cov_{a}_{b}"


def comparison_keys(finer: str | None = None) -> list[str]:
    """Return the key columns of results."""
    return ["exp_id", "metric_id"]


def allowed_values() -> Words:
    """Return the words that columns may hold."""
    return Words()


def input_relation(table: str) -> None:
    """Say that no optional input exists."""


def input_has(table: str, name: str) -> bool:
    """Say that no optional column exists."""
    return False


def good_side(*arguments: object) -> str:
    """Return the three columns that the macro makes."""
    return "good_estimate, good_low, good_high"


def fact_ledger() -> str:
    """Return a column of the ledger."""
    return "n_rows"


def input_view(table: str) -> str:
    """Return a query."""
    return "select 1 as one"


def unit_totals(only: str | None = None) -> str:
    """Return a query, over the given expression where there is one."""
    return f"select unit_key from {only}" if only else "select 1 as one"


def __getattr__(name: str) -> Callable[..., str]:
    def stand_in(*arguments: object, **named: object) -> str:
        return f"made_by_{name}"

    return stand_in
