"""The register of estimators: what follows from it, and what must agree with it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import numpy as np
import pytest

from python_stats.analysis.effects import effects
from python_stats.analysis.estimators.register import (
    BY_NAME,
    MONITORED_WORDS,
    PLAN_WORDS,
    PREFERRED,
    REGISTER,
    tables_asked_for,
    wanted,
)

ROOT = Path(__file__).parents[3]
ANALYSIS = ROOT / "python_stats" / "analysis"


def test_a_name_stands_once():
    assert len(BY_NAME) == len(REGISTER)


def test_every_word_of_a_plan_leads_to_estimators_that_exist():
    for word in PLAN_WORDS:
        assert set(wanted(word)) <= set(BY_NAME), word
    assert set(PREFERRED) <= set(BY_NAME)


def test_a_corrected_estimate_goes_before_the_one_that_it_corrects():
    for estimator in REGISTER:
        if estimator.kind == "corrected":
            plain = estimator.name.removesuffix("_corrected")
            assert PREFERRED.index(estimator.name) == PREFERRED.index(plain) - 1


def test_the_model_reads_the_tables_of_the_register():
    text = (ROOT / "models" / "inference" / "experiments__effect.py").read_text(encoding="utf-8")
    read = dict(re.findall(r'"(\w+)": dbt\.ref\("experiments__(\w+)"\)', text))
    assert set(read) == {table for estimator in REGISTER for table in estimator.evidence}
    assert all(name == model for name, model in read.items())


def test_tables_are_asked_for_by_the_plans_and_types_that_need_them():
    always = tables_asked_for([], ["mean"])
    assert always == {"stratum_moment", "few_cluster_total", "exposure_moment"}
    assert tables_asked_for(["regression"], ["mean"]) - always == {"covariate_moment"}
    assert tables_asked_for([], ["quantile"]) - always == {"order_statistic", "share_below"}


def test_looks_follow_what_moments_and_counts_can_say():
    assert set(MONITORED_WORDS) == {"difference", "ratio", "cluster", "unadjusted", "cuped", "exact"}


@pytest.mark.parametrize("word", [word for word in PLAN_WORDS if word not in MONITORED_WORDS])
def test_a_planned_estimator_is_the_headline_or_says_that_it_is_not_available(comparison, frame, word):
    rng = np.random.default_rng(4)
    table = frame(comparison(*({"numerator": rng.normal(0, 1, 50)} for _ in range(2)), estimator=word))
    found = effects(table)
    shown = found[found["is_headline"]]
    assert len(shown) == 1 and shown["estimator"].iloc[0] == word


def _imports(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}


@pytest.mark.parametrize(("room", "above"), [("table", "estimators|judgement"), ("estimators", "judgement")])
def test_no_room_looks_up(room, above):
    for path in (ANALYSIS / room).glob("*.py"):
        upwards = [name for name in _imports(path) if re.match(rf"python_stats\.analysis\.({above})", name)]
        assert not upwards, (path.name, upwards)
