"""Write the words that SQL takes from Python to macros/config/python_words.sql.

Run by ``make words``. A list that both languages need has one owner: where that is `python_stats`, which SQL cannot
import, this macro carries it over. ``tests/python/test_words.py`` fails when the file is not what this would write.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from python_stats.analysis.estimators.register import PLAN_WORDS, REGISTER
from python_stats.analysis.table.arms import VARIABLES
from python_stats.analysis.table.comparisons import COMPARISON_KEYS
from python_stats.analysis.table.metric_types import RATES
from python_stats.families.multiplicity import METHOD_ALIASES, METHODS
from python_stats.lift import LIFT_METHODS
from python_stats.sequential.always_valid import asymptotic_cs, msprt
from python_stats.sequential.spending import SPENDING
from python_stats.wald import ALTERNATIVES

MACRO = Path(__file__).parents[1] / "macros" / "config" / "python_words.sql"
WIDTH = 120

# The library has them, plans do not: Sidak's methods take the tests to be independent, which metrics of the same units
# are not, and Hommel's gains little over Hochberg's.
NOT_PLANNED = ("sidak", "holm_sidak", "hommel")


def words() -> dict[str, Iterable[str]]:
    """Return the lists of words, by the name under which SQL has them."""
    short = {method: word for word, method in METHOD_ALIASES.items()}
    methods = (*(method for method in METHODS if method not in NOT_PLANNED), "storey", "dunnett")
    return {
        "estimator": PLAN_WORDS,
        "estimator_without_unit": [each.name for each in REGISTER if each.scale != "metric"],
        "correction": [short.get(method, method) for method in methods],
        "correction_method": methods,
        "alternative": ALTERNATIVES,
        "lift_interval": LIFT_METHODS,
        "group_sequential": SPENDING,
        "always_valid": [function.__name__ for function in (msprt, asymptotic_cs)],
        "rate": RATES,
        "comparison_key": COMPARISON_KEYS,
        "moment_variable": VARIABLES,
    }


def macro(lists: Mapping[str, Iterable[str]]) -> str:
    """Return the text of the macro that returns the lists."""
    lines = [
        "{% macro python_words() %}",
        "  {#- Written by `make words` from python_stats: do not edit. -#}",
        "  {{ return({",
    ]
    for name, entries in lists.items():
        line = f"      '{name}': ["
        for word in entries:
            if len(line) + len(word) + 5 > WIDTH:
                lines.append(line.rstrip())
                line = " " * 10
            line += f"'{word}', "
        lines.append(f"{line.rstrip(', ')}],")
    return "\n".join([*lines, "  }) }}", "{% endmacro %}", ""])


def main() -> int:
    """Write the macro, and say whether it was another."""
    text = macro(words())
    if MACRO.exists() and MACRO.read_text(encoding="utf-8") == text:
        print(f"{MACRO.name} is current")
    else:
        MACRO.write_text(text, encoding="utf-8")
        print(f"wrote {MACRO.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
