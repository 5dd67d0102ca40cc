"""Which estimate decides."""

import numpy as np
import pytest

from python_stats.analysis.effects import effects
from python_stats.analysis.judgement.headline import mark_headline
from python_stats.analysis.settings import Settings
from python_stats.analysis.table.comparisons import Comparisons
from python_stats.analysis.table.estimate_rows import frame_of, without_numbers


@pytest.fixture
def arms():
    rng = np.random.default_rng(5)

    def arm(shift):
        before = rng.normal(10, 2, 300)
        return {"numerator": before + rng.normal(shift, 1, 300), "covariate": before}

    return arm(0.0), arm(0.1)


def headline_of(table, **settings):
    estimates = effects(table, {}, settings=Settings(**settings))
    return estimates[estimates["is_headline"]]


def test_the_pre_period_is_used_where_there_is_one(comparison, frame, arms):
    table = frame(comparison(*arms, metric_id="with"), comparison(*({"numerator": a["numerator"]} for a in arms)))
    assert headline_of(table).set_index("metric_id")["estimator"].to_dict() == {"with": "cuped", "m": "difference"}


@pytest.mark.parametrize("wish", ["unadjusted", "difference"])
def test_the_plan_can_ask_for_the_raw_comparison(comparison, frame, arms, wish):
    assert headline_of(frame(comparison(*arms, estimator=wish)))["estimator"].tolist() == ["difference"]


def test_cuped_without_a_covariate_falls_back_and_names_what_was_used(comparison, frame, arms):
    table = frame(comparison(*({"numerator": a["numerator"]} for a in arms), estimator="cuped"))
    assert headline_of(table)["estimator"].tolist() == ["difference"]


def test_a_planned_method_that_cannot_run_is_never_silently_replaced(comparison, frame, arms):
    shown = headline_of(frame(comparison(*arms, estimator="cr3")))
    assert shown["estimator"].tolist() == ["cr3"] and shown["status"].tolist() == ["estimator_unavailable"]
    assert shown[["effect", "p_value", "effect_se"]].isna().all(axis=None)


def test_a_comparison_that_cannot_be_made_keeps_its_reason_whatever_was_planned(comparison, frame, arms):
    table = frame(
        comparison(*arms, estimator="cr3", issue="unknown_kpi"), comparison(*arms, variant_id="u", n_control=0)
    )
    shown = headline_of(table).set_index("variant_id")["status"]
    assert shown.to_dict() == {"t": "unknown_kpi", "u": "not_mature"}


def test_few_events_are_decided_by_the_exact_test(comparison, frame):
    few = [{"numerator": np.r_[np.ones(k), np.zeros(60 - k)]} for k in (3, 9)]
    shown = headline_of(frame(comparison(*few, metric_type="proportion")))
    assert shown["estimator"].tolist() == ["exact"]
    assert headline_of(frame(comparison(*few, metric_type="proportion")), exact_below=0)["estimator"].tolist() == [
        "difference"
    ]


def test_every_comparison_has_exactly_one_headline(comparison, frame, arms):
    wishes = {("a", "t"): None, ("a", "u"): "bootstrap", ("b", "t"): "unadjusted", ("b", "u"): "trimmed"}
    table = Comparisons(
        frame(*(comparison(*arms, metric_id=m, variant_id=v, estimator=wish) for (m, v), wish in wishes.items()))
    )
    parts = [
        without_numbers(table, name, "ok", is_unadjusted=name == "difference")
        for name in ("difference", "cuped", "bootstrap")
    ]
    marked = frame_of(mark_headline(parts, table))
    shown = marked[marked["is_headline"]].set_index(["metric_id", "variant_id"])["estimator"]
    assert shown.to_dict() == {
        ("a", "t"): "cuped", ("a", "u"): "bootstrap", ("b", "t"): "difference", ("b", "u"): "trimmed"
    }  # fmt: skip
