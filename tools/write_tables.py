"""Write the tables of the documentation that repeat a list of the project, each between its two marks."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from jinja2 import Environment

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "marts.md"


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


def tables() -> dict[str, str]:
    """Return every table by the name of its marks."""
    reasons = list_of("macros/decisions/decision_reasons.sql")
    checks = list_of("macros/checks/health_checks.sql")
    return {
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


def written(text: str) -> str:
    """Return the page with its tables as the lists have them."""
    for name, content in tables().items():
        marks = re.compile(rf"(<!-- {name}: start -->\n).*?(<!-- {name}: end -->)", re.DOTALL)
        text, found = marks.subn(lambda mark, content=content: f"{mark[1]}{content}\n{mark[2]}", text)
        if found != 1:
            raise ValueError(f"{PAGE} has the marks of the table {name} {found} times, not once")
    return text


def main() -> int:
    """Rewrite the page."""
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
