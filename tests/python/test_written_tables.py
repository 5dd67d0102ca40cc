"""The lists of the project and what is written from them: the tables of the documentation, the rule and its words."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from python_stats.analysis.judgement.monitoring import SEQUENTIAL_COLUMNS
from python_stats.analysis.table.typed_frame import EFFECT_COLUMNS, LOOK_COLUMNS

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("write_tables", ROOT / "tools" / "write_tables.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def checks(tool) -> list[str]:
    return list(tool.list_of("macros/checks/health_checks.sql"))


@pytest.fixture(scope="module")
def reasons(tool) -> dict[str, dict[str, str]]:
    return tool.list_of("macros/decisions/decision_reasons.sql")


def test_the_documentation_has_the_tables_as_the_lists_have_them(tool):
    for page in tool.tables():
        text = page.read_text(encoding="utf-8")
        assert text == tool.written(page, text), "run `make tables`"


def test_a_table_that_was_changed_by_hand_is_put_right(tool):
    page = tool.PAGE.read_text(encoding="utf-8")
    changed = page.replace("| `failed_check` |", "| `another` |")
    assert changed != page and tool.written(tool.PAGE, changed) == page
    with pytest.raises(ValueError, match="0 times"):
        tool.written(tool.PAGE, page.replace("<!-- decisions: start -->", ""))


def test_the_rule_has_every_reason_in_the_order_of_the_list(reasons):
    rule = (ROOT / "models" / "decisions" / "experiments__treatment_decision.sql").read_text(encoding="utf-8")
    assert re.findall(r"(?:then|else) '(\w+)'", rule) == list(reasons)


def test_every_reason_has_its_sentence(reasons):
    words = (ROOT / "models" / "marts" / "experiment_scorecard.sql").read_text(encoding="utf-8")
    sentences = words.partition("case reason_code")[2].partition("end as reason,")[0]
    assert sorted(re.findall(r"^        when '(\w+)'", sentences, re.MULTILINE)) == sorted(reasons)


def test_every_check_is_a_view_with_its_unit_test(checks):
    views = ROOT / "models" / "checks"
    assert sorted(path.stem for path in views.glob("experiments__check_*.sql")) == sorted(
        f"experiments__check_{name}" for name in checks
    )
    for view in views.glob("experiments__check_*.sql"):
        assert "unit_tests:" in view.with_suffix(".yml").read_text(encoding="utf-8"), view


def test_no_check_reads_another(checks):
    views = set((ROOT / "models" / "checks").glob("*.sql")) - {ROOT / "models" / "checks" / "experiments__health.sql"}
    assert len(views) > len(checks)
    for view in views:
        read = re.findall(r"ref\('(\w+)'\)", view.read_text(encoding="utf-8"))
        assert not {"experiments__health", *(f"experiments__check_{name}" for name in checks)} & set(read), view


def described(path: str) -> set[str]:
    """Return the columns that a model's yml describes."""
    (model,) = yaml.safe_load((ROOT / "models" / path).read_text(encoding="utf-8"))["models"]
    return {column["name"] for column in model.get("columns", [])}


def test_a_column_of_a_frame_is_described_where_a_mart_shows_it():
    marts = {mart: described(f"marts/{mart}.yml") for mart in ("experiment_results", "metric_estimate")}
    marts["experiment_results_daily"] = described("marts/experiment_results_daily.yml")
    shown = set.union(*marts.values())
    for model, frame in (("effect", EFFECT_COLUMNS), ("look", LOOK_COLUMNS | SEQUENTIAL_COLUMNS)):
        own = described(f"inference/experiments__{model}.yml")
        assert own | shown >= set(frame), f"nobody describes {sorted(set(frame) - own - shown)}"
        assert not own & shown, f"described twice: {sorted(own & shown)}"
    assert marts["metric_estimate"] <= set(EFFECT_COLUMNS)
    assert marts["experiment_results_daily"] <= set(LOOK_COLUMNS | SEQUENTIAL_COLUMNS)
