"""A text that two files need is a doc block, and no comment of a macro repeats its description."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
COMMENT = re.compile(r"\{% macro [^%]*%\}\s*\{#-?(.*?)-?#\}", re.DOTALL)


def plain(text: str) -> str:
    """Text without line breaks and a last full stop."""
    return " ".join(text.split()).rstrip(".")


def twice(files: dict[str, str]) -> list[str]:
    """Descriptions of a column of one name that two files spell out."""
    found = defaultdict(set)
    for path, text in files.items():
        content = yaml.load(text, Loader=yaml.CSafeLoader)
        for resource in [*content.get("models", []), *content.get("seeds", [])]:
            for column in resource.get("columns", []):
                if "doc(" not in column.get("description", "doc("):
                    found[column["name"], plain(column["description"])].add(path)
    return [
        f"{name}: {text} ({', '.join(sorted(paths))})"
        for (name, text), paths in sorted(found.items())
        if len(paths) > 1
    ]


def repeating(folder: Path) -> list[str]:
    """Macros of a folder whose first comment is their description again."""
    described = yaml.load(next(folder.glob("_*.yml")).read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)["macros"]
    macros = {macro["name"]: plain(macro["description"]) for macro in described}
    comments = {name: COMMENT.match((folder / f"{name}.sql").read_text(encoding="utf-8")) for name in macros}
    return [name for name, comment in comments.items() if comment and macros[name] in plain(comment[1])]


def test_no_column_is_described_twice():
    paths = [path for folder in ("models", "seeds") for path in (ROOT / folder).rglob("*.yml")]
    assert len(paths) > 50
    again = twice({path.name: path.read_text(encoding="utf-8") for path in paths})
    assert not again, "make them a doc block of models/_columns.md:\n" + "\n".join(again)


@pytest.mark.parametrize("folder", sorted(path.parent.name for path in (ROOT / "macros").glob("*/_*.yml")))
def test_comments_of_macros_say_what_the_description_does_not(folder):
    assert not repeating(ROOT / "macros" / folder)


def test_repeated_descriptions_are_found(tmp_path):
    file = "models:\n  - name: m\n    columns:\n      - {name: a, description: 'The first.'}\n      - name: b\n"
    assert twice({"one.yml": file, "two.yml": file}) == ["a: The first (one.yml, two.yml)"]
    assert not twice({"one.yml": file, "two.yml": file.replace("The first.", '{{ doc("a") }}')})
    (tmp_path / "_m.yml").write_text("macros:\n  - name: m\n    description: >\n      Counts\n      them.\n")
    for comment, found in (("Counts them, always.", ["m"]), ("Because.", [])):
        (tmp_path / "m.sql").write_text(f"{{% macro m() %}}\n  {{#- {comment} -#}}\n1\n{{% endmacro %}}\n")
        assert repeating(tmp_path) == found
