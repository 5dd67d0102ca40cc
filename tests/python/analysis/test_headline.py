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


# What a perfect pre-period leaves is no variance: an estimate without a test, beside a raw one that has one.
PERFECT = (
    {"numerator": np.zeros(3), "covariate": np.zeros(3)},
    {"numerator": np.array([3.0, 0.0, 0.0]), "covariate": np.array([1.0, 0.0, 0.0])},
)


def with_clusters(row, sizes=(7.0, 11.0)):
    """Give a comparison the robust moments of clusters: here those of its units, times something."""
    for arm, factor in zip(("control", "treatment"), sizes, strict=True):
        row |= {
            f"cluster_{n}": row[n] * factor for n in list(row) if n.startswith(("var_", "cov_")) and n.endswith(arm)
        }
        row |= {f"clusters_{arm}": 3, f"satterthwaite_trace_{arm}": 0.5}
        row |= {f"cluster_level_{arm}": 1.0, f"cluster_level_trace_{arm}": 0.5}
    return row | {"is_clustered": True}


@pytest.mark.parametrize("clustered", [False, True])
@pytest.mark.parametrize("wish", [None, "cuped"])
def test_a_perfect_covariate_leaves_the_raw_comparison_as_the_headline(comparison, frame, clustered, wish):
    row = comparison(*PERFECT, estimator=wish)
    shown = effects(frame(with_clusters(row) if clustered else row), {}, settings=Settings()).set_index("estimator")
    raw, adjusted = ("cluster", "cluster_cuped") if clustered else ("difference", "cuped")
    assert shown.loc[adjusted, "status"] == "zero_variance" and not shown.loc[adjusted, "is_headline"]
    assert np.isnan(shown.loc[adjusted, "p_value"])
    assert shown.loc[raw, "status"] == "ok" and shown.loc[raw, "p_value"] > 0.05
    assert shown["is_headline"].sum() == 1
    # A posterior has no p-value.
    shown = shown.drop(index="bayes", errors="ignore")
    assert ((shown["status"] == "ok") == shown["p_value"].notna()).all()


@pytest.mark.parametrize("seed", range(8))
def test_the_rounding_of_a_perfect_covariate_is_no_variance_of_clusters(comparison, frame, seed):
    rng = np.random.default_rng(seed)
    before = [rng.gamma(1.0, size=30), rng.gamma(1.2, size=40)]
    row = with_clusters(comparison(*({"numerator": 0.1 * x, "covariate": x} for x in before)))
    shown = effects(frame(row), {}, settings=Settings()).set_index("estimator")
    assert shown.loc["cluster_cuped", ["status", "p_value"]].tolist() == [
        "zero_variance",
        pytest.approx(np.nan, nan_ok=True),
    ]
