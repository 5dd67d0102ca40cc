"""Every var has a default, with a comment, in dbt_project.yml and a rule in `setting_rules`; nothing repeats either."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PROJECT = (ROOT / "dbt_project.yml").read_text(encoding="utf-8")
DEFAULTS = yaml.safe_load(PROJECT)["vars"]["dbt_experiments"]


def test_every_var_has_a_rule_and_every_rule_a_var(macro_value):
    assert macro_value("setting_rules").keys() == DEFAULTS.keys()


def test_rules_say_enough_for_a_message(macro_value):
    for name, rule in macro_value("setting_rules").items():
        known = {"type", "above", "least", "below", "allowed", "null", "before", "words"}
        assert rule.keys() <= known, name
        assert rule["type"] in ("number", "integer", "text", "word", "date", "boolean", "map", "any"), name
        says = {"integer": "least", "word": "allowed", "any": "type"}.get(rule["type"], "words")
        assert says in rule, name
        assert rule.get("before", [name])[0] in DEFAULTS, name


def test_every_var_is_used():
    text = "\n".join(
        path.read_text(encoding="utf-8")
        for folder in ("macros", "models", "analyses")
        for path in (ROOT / folder).rglob("*.*")
        if path.suffix in (".sql", ".yml") and path.name != "setting_rules.sql"
    )
    used = set(re.findall(r"var\('(\w+)'", text))
    assert used - {"demo"} == DEFAULTS.keys()


def test_a_default_stands_nowhere_else():
    given = re.compile(r"var\(\s*'(\w+)'\s*,")
    again = [
        (path.name, name)
        for folder in ("macros", "models", "analyses", "tests/dbt")
        for path in (ROOT / folder).rglob("*.*")
        for name in given.findall(path.read_text(encoding="utf-8"))
        if name in DEFAULTS
    ]
    assert not again


@pytest.mark.parametrize("name", DEFAULTS)
def test_every_var_is_explained(name):
    lines = PROJECT.splitlines()
    line = next(i for i, text in enumerate(lines) if text.startswith(f"    {name}:"))
    # Vars that belong together share a comment.
    while lines[line].strip() and not lines[line].lstrip().startswith("#"):
        line -= 1
    assert lines[line].lstrip().startswith("# ") and "---" not in lines[line]
