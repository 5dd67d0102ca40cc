"""Every list of words stands once: SQL takes Python's from what `make words` writes, and no file repeats another's."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]

# Tests say in full what they expect, the benchmarks are programmes of their own, and `make words` writes copies.
LEFT_OUT = ("tests/python/", "benchmarks/", "macros/config/python_words.sql")

# Repeated for a reason, by the words that both places have. An entry that nothing repeats any more fails the test too.
ALLOWED: set[frozenset[str]] = set()

WORD = re.compile(r"[a-z][a-z0-9_]*\Z")
QUOTED = re.compile(r"""(?:'[a-z]\w*'|"[a-z]\w*")(?:\s*,\s*(?:'[a-z]\w*'|"[a-z]\w*"))+""")


@dataclass(frozen=True)
class Listed:
    """A list of words and where it stands."""

    path: str
    line: int
    words: frozenset[str]


def quoted_lists(text: str) -> Iterator[tuple[int, list[str]]]:
    """Lists of quoted words in SQL, Jinja, or SQL within YAML."""
    for found in QUOTED.finditer(text):
        yield text.count("\n", 0, found.start()) + 1, re.findall(r"""['"](\w+)['"]""", found[0])


def python_lists(text: str) -> Iterator[tuple[int, list[str]]]:
    """Lists, tuples and sets of strings."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.List | ast.Tuple | ast.Set):
            yield node.lineno, [e.value for e in node.elts if isinstance(e, ast.Constant) and isinstance(e.value, str)]


def yaml_lists(text: str) -> Iterator[tuple[int, list[str]]]:
    """Lists of scalars; the columns of a key are no words but names of columns."""

    def walk(node: yaml.Node | None, key: str = "") -> Iterator[tuple[int, list[str]]]:
        if isinstance(node, yaml.MappingNode):
            for name, value in node.value:
                yield from walk(value, name.value)
        elif isinstance(node, yaml.SequenceNode):
            if key != "columns":
                yield node.start_mark.line + 1, [e.value for e in node.value if isinstance(e, yaml.ScalarNode)]
            for entry in node.value:
                yield from walk(entry, key)

    yield from walk(yaml.compose(text, Loader=yaml.CSafeLoader))
    yield from quoted_lists(text)


READERS = {".sql": quoted_lists, ".py": python_lists, ".yml": yaml_lists}


def lists_in(path: str, text: str) -> list[Listed]:
    """Lists of three or more words in a file."""
    found = (
        Listed(path, line, frozenset(word for word in words if WORD.match(word)))
        for line, words in READERS[Path(path).suffix](text)
    )
    return [listed for listed in found if len(listed.words) > 2]


def repeated(lists: list[Listed]) -> list[tuple[Listed, Listed]]:
    """Pairs of lists of two files that are the same set, or share four words or more and three quarters of the longer.

    Of two lists in Python only those of four words or more: three names of columns come together in any frame.
    """

    def same(a: Listed, b: Listed) -> bool:
        shared, longer = len(a.words & b.words), max(len(a.words), len(b.words))
        if shared < 4:
            return a.words == b.words and not (a.path.endswith(".py") and b.path.endswith(".py"))
        return shared >= 0.75 * longer

    return [(a, b) for a, b in combinations(lists, 2) if a.path != b.path and same(a, b)]


def whole_lists(macro_value: Callable[[str], Any]) -> list[Listed]:
    """The lists of SQL as a whole, which are put together from parts, without those that are Python's own."""
    of_python = [set(words) for words in macro_value("python_words").values()]
    return [
        Listed("macros/config/allowed_values.sql", 1, frozenset(words))
        for words in macro_value("allowed_values").values()
        if len(words) > 2 and set(words) not in of_python
    ]


def tracked() -> list[str]:
    """Files of the project that hold code or configuration."""
    try:
        names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
            "\n"
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout: which files belong to the project is not known")
    return [
        name
        for name in names
        if Path(name).suffix in READERS and not name.startswith(LEFT_OUT) and (ROOT / name).exists()
    ]


def test_no_list_of_words_stands_twice(macro_value):
    lists = [listed for name in tracked() for listed in lists_in(name, (ROOT / name).read_text(encoding="utf-8"))]
    lists += whole_lists(macro_value)
    assert len(lists) > 50  # The readers read.
    pairs = repeated(lists)
    unknown = [
        f"{a.path}:{a.line} and {b.path}:{b.line}: {', '.join(sorted(a.words & b.words))}"
        for a, b in pairs
        if a.words & b.words not in ALLOWED
    ]
    assert not unknown, "one of these should take its words from the other:\n" + "\n".join(unknown)
    stale = ALLOWED - {a.words & b.words for a, b in pairs}
    assert not stale, f"no longer repeated, so no longer to be allowed: {[sorted(words) for words in stale]}"


COLOURS = "values: [red, green, blue]"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.sql", "where colour in ('blue', 'red',\n 'green')"),
        ("a.sql", "{% for colour in ['red', 'green', 'blue'] %}"),
        ("a.py", "COLOURS = ('red', 'green', 'blue')"),
        ("a.py", "COLOURS = {\n    'red',\n    'green', *MORE, 'blue'}"),
        (
            "a.yml",
            "columns:\n  - data_tests:\n      - accepted_values:\n          values: [red, green, blue]",
        ),
        ("a.yml", "values:\n  - red\n  - blue\n  - green\n"),
        ("a.yml", "expression: colour in ('red', 'green', 'blue')"),
    ],
)
def test_a_planted_repetition_is_found_in_every_language(path, text):
    lists = lists_in(path, text) + lists_in("b.yml", COLOURS)
    assert [{a.path, b.path} for a, b in repeated(lists)] == [{path, "b.yml"}]
    # A list may be used twice where it stands.
    assert not repeated(lists_in(path, text) * 2)


@pytest.mark.parametrize(
    ("more", "found"),
    [
        (["black", "white", "grey"], False),  # three of six
        (["red", "green", "blue", "white"], True),  # all of four
        (["red", "green", "blue", "white", "grey"], True),  # four of five
        (["red", "green", "blue", "grey", "black"], False),  # three of five
        (["red", "green", "blue", "white", "grey", "black"], False),  # four of six
    ],
)
def test_a_list_that_is_nearly_another_is_one(more, found):
    lists = lists_in("a.sql", "('red', 'green', 'blue', 'white')") + lists_in("b.py", f"MORE = {more!r}")
    assert bool(repeated(lists)) is found


def test_names_of_columns_are_no_words():
    key = "arguments:\n  columns: [exp_id, metric_id, variant_id]"
    assert not lists_in("a.yml", key)


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("write_words", ROOT / "tools" / "write_words.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_sql_has_pythons_words(tool):
    assert tool.MACRO.read_text(encoding="utf-8") == tool.macro(tool.words()), "run `make words`"


def test_a_new_word_is_noticed(tool):
    words = tool.words()
    assert tool.macro(words | {"alternative": [*words["alternative"], "sideways"]}) != tool.macro(words)
