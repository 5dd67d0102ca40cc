"""Stand-ins for the macros, so that sqlfluff can render a model without dbt: each gives a plain column name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable


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


def allowed_values() -> dict[str, list[str]]:
    """Return one word for any list."""
    return defaultdict(lambda: ["word"])


def comparison_keys(finer: str | None = None) -> list[str]:
    """Return the key columns of results."""
    return ["exp_id", "metric_id"]


def words_of(words: str) -> str:
    """Return a list of words."""
    return f"('{words}')"


def input_relation(table: str) -> None:
    """Say that no optional input exists."""


def input_has(table: str, name: str) -> bool:
    """Say that no optional column exists."""
    return False


def good_side(*arguments: object) -> str:
    """Return the three columns that the macro makes."""
    return "good_estimate, good_low, good_high"


def decision_reasons() -> dict[str, dict[str, str]]:
    """Return one reason, with its decision."""
    return {"reason": {"decision": "decision"}}


def health_checks() -> list[str]:
    """Return the names of two checks."""
    return ["srm", "balance"]


def sample_ratio_check(check_name: str, end_of_message: str) -> str:
    """Return a query."""
    return "select 1 as one"


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
