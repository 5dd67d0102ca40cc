"""Write the tables of the documentation that repeat a list of the project, each between its two marks."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from jinja2 import Environment

from python_stats.analysis.estimators.register import REGISTER

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "marts.md"
ESTIMATORS_PAGE = ROOT / "docs" / "statistics" / "README.md"

# When an estimator runs, in words.
WHEN = {
    "always": "always",
    "planned": "where planned",
    "found": "where there are rows of it",
    "metric": "for metrics of this type",
    "benchmark": "where the plan has one",
}


def list_of(path: str) -> dict[str, dict[str, str]]:
    """Return what the macro of a file returns, without dbt: the file holds one macro that returns a literal."""
    returned: list[Any] = []
    environment = Environment()
    environment.globals["return"] = returned.append
    file = ROOT / path
    getattr(environment.from_string(file.read_text(encoding="utf-8")).module, file.stem)()
    return returned[0]


def table(columns: list[str], rows: list[list[str]]) -> str:
    """Return a table of Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def tables() -> dict[Path, dict[str, str]]:
    """Return every table by its page and the name of its marks."""
    reasons = list_of("macros/decisions/decision_reasons.sql")
    checks = list_of("macros/checks/health_checks.sql")
    marts = {
        "checks": table(
            ["check", "looks at", "warns", "fails", "what to do"],
            [
                [f"`{name}`", *(check[part] for part in ("looks_at", "warns", "fails", "what_to_do"))]
                for name, check in checks.items()
            ],
        ),
        "decisions": table(
            ["decision", "reason", "when"],
            [[f"`{reason['decision']}`", f"`{code}`", reason["when"]] for code, reason in reasons.items()],
        ),
    }
    estimators = table(
        ["`estimator`", "compares", "to plan where", "runs", "kind", "from", "interval of the lift", "looks"],
        [
            [
                f"`{each.name}`",
                each.compares,
                each.suits,
                WHEN[each.when],
                each.kind,
                ", ".join(f"`{name}`" for name in each.evidence) or "moments",
                "yes" if each.has_lift_interval else "no",
                "yes" if each.is_monitored else "no",
            ]
            for each in REGISTER
        ],
    )
    return {PAGE: marts, ESTIMATORS_PAGE: {"estimators": estimators}}


def written(page: Path, text: str) -> str:
    """Return the text of a page with its tables as the lists have them."""
    for name, content in tables()[page].items():
        marks = re.compile(rf"(<!-- {name}: start -->\n).*?(<!-- {name}: end -->)", re.DOTALL)
        text, found = marks.subn(lambda mark, content=content: f"{mark[1]}{content}\n{mark[2]}", text)
        if found != 1:
            raise ValueError(f"{page} has the marks of the table {name} {found} times, not once")
    return text


def main() -> int:
    """Rewrite the pages."""
    for page in tables():
        page.write_text(written(page, page.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
