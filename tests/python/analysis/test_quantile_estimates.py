"""Rows of quantile metrics from order statistics: refusals, statuses and invariances of the glue."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from python_stats.analysis.estimators import quantile_estimates as module
from python_stats.analysis.estimators.quantile_estimates import quantile_estimates
from python_stats.analysis.table.estimate_rows import frame_of
from python_stats.quantiles.index_comparison import quantile_difference
from python_stats.quantiles.order_statistics import order_statistic_window

NUMBERS = [
    "mean_control",
    "mean_treatment",
    "effect",
    "effect_se",
    "effect_ci_low",
    "effect_ci_high",
    "p_value",
    "lift",
]


def comparison(plan_key=1, n=(400, 400), **more):
    """One row of the model look_comparison, as far as quantiles read it."""
    return {
        "plan_key": plan_key, "exp_id": "e", "metric_id": f"m{plan_key}", "variant_id": "treatment",
        "control_variant_id": "control", "population": "assigned", "dimension": "all", "segment": "all",
        "look_date": pd.Timestamp("2024-01-20"), "is_last_look": True, "metric_type": "quantile", "alpha": 0.05,
        "alternative": "two_sided", "issue": None, "is_clustered": False, "n_control": n[0], "n_treatment": n[1],
        "clusters_control": np.nan, "clusters_treatment": np.nan,
        **{f"{name}_denominator_{arm}": np.nan for name in ("mean", "var") for arm in ("control", "treatment")}, **more,
    }  # fmt: skip


def runs(plan_key, variant_id, values, q, width=12.0):
    """Give an arm's rows of the model order_statistic."""
    ranks = order_statistic_window(len(values), q, width)
    first, last = int(ranks.first_rank), int(ranks.last_rank)
    value, start, count = np.unique(np.sort(values)[first - 1 : last], return_index=True, return_counts=True)
    return pd.DataFrame(
        {"plan_key": plan_key, "variant_id": variant_id, "quantile": q, "n": len(values), "rank": first + start,
         "n_equal": count, "value": value}
    )  # fmt: skip


def arms(plan_key, control, treatment, q):
    return pd.concat([runs(plan_key, "control", control, q), runs(plan_key, "treatment", treatment, q)])


SHARES = pd.DataFrame(
    {"plan_key": [], "variant_id": [], "variance_below": [], "satterthwaite_trace": []}
).astype({"plan_key": int, "variant_id": str})  # fmt: skip


def shares(plan_key, variance=1e-3, trace=1 / 30):
    """Both arms' rows of the model share_below."""
    return pd.DataFrame(
        {"plan_key": plan_key, "variant_id": ["control", "treatment"], "variance_below": variance,
         "satterthwaite_trace": trace}
    )  # fmt: skip


def sample(seed, size=400, scale=1.0):
    return scale * np.random.default_rng(seed).lognormal(size=size)


def one(control, treatment, q=0.5, share=SHARES, **more):
    table = pd.DataFrame([comparison(n=(len(control), len(treatment)), **more)])
    rows = frame_of(quantile_estimates(table, arms(1, control, treatment, q), share))
    assert len(rows) == 1
    return rows.iloc[0]


def test_rows_are_the_librarys_numbers_and_the_raw_quantiles():
    control, treatment = sample(1), sample(2, scale=1.2)
    row = one(control, treatment, 0.75)
    windows = [(400, 1, np.sort(value)) for value in (control, treatment)]
    want = quantile_difference(*windows[0], *windows[1], 0.75)
    assert [row["mean_control"], row["mean_treatment"]] == pytest.approx(
        [np.quantile(control, 0.75), np.quantile(treatment, 0.75)]
    )
    assert row["effect_se"] == pytest.approx(float(want.se), rel=1e-6)
    assert row["p_value"] == pytest.approx(float(want.p_value), rel=1e-6, abs=1e-8)
    assert [row["effect_ci_low"], row["effect_ci_high"]] == pytest.approx([float(want.ci_low), float(want.ci_high)])
    assert [row["lift_ci_low"], row["lift_ci_high"]] == pytest.approx(
        [float(want.lift_ci_low), float(want.lift_ci_high)]
    )
    assert (row["status"], row["estimator"], row["lift_method"]) == ("ok", "quantile", "bootstrap")
    assert row["is_unadjusted"] and np.isnan(row["statistic"])


@pytest.mark.parametrize("share", [SHARES, shares(1)], ids=["independent", "clustered"])
def test_shift_scale_and_swap(share):
    control, treatment = sample(3), sample(4, 350, 1.3)
    plain = one(control, treatment, share=share)
    moved = one(5 + 3 * control, 5 + 3 * treatment, share=share)
    assert moved["effect"] == pytest.approx(3 * plain["effect"])
    assert moved["effect_se"] == pytest.approx(3 * plain["effect_se"])
    assert moved["p_value"] == pytest.approx(plain["p_value"])
    swapped = one(treatment, control, share=share)
    assert swapped["effect"] == pytest.approx(-plain["effect"])
    assert swapped["effect_ci_low"] == pytest.approx(-plain["effect_ci_high"])
    assert swapped["p_value"] == pytest.approx(plain["p_value"])


def test_runs_of_equal_values_are_as_many_values():
    control, treatment = np.round(sample(5, 3000), 2), np.round(sample(6, 3000, 1.1), 2)
    table = pd.DataFrame([comparison(n=(3000, 3000))])
    merged = arms(1, control, treatment, 0.5)
    assert (merged["n_equal"] > 1).any()
    offset = np.concatenate([np.arange(count) for count in merged["n_equal"]])
    single = merged.iloc[np.repeat(np.arange(len(merged)), merged["n_equal"])].assign(n_equal=1)
    single["rank"] += offset
    shuffled = single.sample(frac=1.0, random_state=1)
    pd.testing.assert_frame_equal(
        frame_of(quantile_estimates(table, merged, SHARES)),
        frame_of(quantile_estimates(table, shuffled, SHARES)),
        rtol=1e-12,
    )


def test_all_comparisons_at_once_equal_one_at_a_time(monkeypatch):
    monkeypatch.setattr(module, "BLOCK_OF_COMPARISONS", 3)
    tables, statistics, share = [], [], [SHARES]
    for key in range(1, 12):
        q, sizes = (0.1, 0.5, 0.9)[key % 3], (100 + 40 * key, 500 - 30 * key)
        tables.append(comparison(key, sizes, alternative=("two_sided", "greater", "less")[key % 3]))
        statistics.append(arms(key, sample(key, sizes[0]), sample(key + 50, sizes[1], 1.2), q))
        if key % 4 == 0:
            share.append(shares(key))
    statistics, share = pd.concat(statistics).sample(frac=1.0, random_state=2), pd.concat(share)
    together = frame_of(quantile_estimates(pd.DataFrame(tables), statistics, share)).set_index("metric_id")
    for table in tables:
        alone = frame_of(quantile_estimates(pd.DataFrame([table]), statistics, share)).iloc[0]
        np.testing.assert_allclose(
            together.loc[alone["metric_id"], NUMBERS].astype(float), alone[NUMBERS].astype(float), rtol=1e-10
        )
    assert together["df"].notna().sum() == 2


def test_clustered_values_have_a_t_test_with_the_degrees_of_freedom_of_their_shares():
    control, treatment = sample(7, 2000), sample(8, 2000, 1.2)
    row = one(control, treatment, share=shares(1, 4e-4, 1 / 15))
    assert row["df"] == pytest.approx(30.0)
    assert row["statistic"] == pytest.approx(row["effect"] / row["effect_se"])
    assert row["lift_ci_low"] < row["lift"] < row["lift_ci_high"]
    assert row["lift_method"] == "log_delta"
    independent = one(control, treatment)
    assert row["effect_se"] > 1.3 * independent["effect_se"]


@pytest.mark.parametrize("q", [0.1, 0.9])
def test_trap_an_arm_without_values_is_undefined_not_zero(q):
    table = pd.DataFrame([comparison()])
    row = frame_of(quantile_estimates(table, runs(1, "treatment", sample(9), q), SHARES)).iloc[0]
    assert row["status"] == "undefined_quantile"
    assert row["mean_treatment"] == pytest.approx(np.quantile(sample(9), q))
    assert row[["mean_control", "effect", "effect_se", "p_value", "lift"]].isna().all()
    lonely = frame_of(quantile_estimates(table, arms(1, sample(9), sample(10), q), shares(1).iloc[:1])).iloc[0]
    assert lonely["status"] == "undefined_quantile"
    assert lonely[["effect_se", "p_value"]].isna().all()


def test_trap_tied_bounds_are_refused():
    ties = np.round(sample(11))
    row = one(ties, sample(12))
    assert row["status"] == "undefined_quantile"
    assert np.isfinite(row["effect"])
    assert row[["effect_se", "effect_ci_low", "p_value", "lift_ci_low", "variance_reduction"]].isna().all()


def test_trap_clustered_assignment_without_shares_is_not_analysed_as_independent():
    row = one(sample(13), sample(14), is_clustered=True, clusters_control=20, clusters_treatment=20)
    assert row["status"] == "undefined_quantile"
    assert np.isnan(row["p_value"])


def test_what_cannot_be_estimated_has_one_row_and_a_reason():
    table = pd.DataFrame(
        [
            comparison(1, issue="bad_quantile"),
            comparison(2, n=(0, 5)),
            comparison(3, n=(1, 5)),
            comparison(4, is_last_look=False),
            comparison(5, dimension="country", segment="NL"),
            comparison(6),
            comparison(7, metric_type="mean"),
        ]
    )
    rows = frame_of(quantile_estimates(table, arms(6, sample(15), sample(16), 0.5), SHARES)).set_index("metric_id")
    assert rows["status"].to_dict() == {
        "m1": "bad_quantile", "m2": "not_mature", "m3": "too_few_units", "m4": "estimator_unavailable",
        "m5": "estimator_unavailable", "m6": "ok",
    }  # fmt: skip
    assert rows.drop("m6")[NUMBERS].isna().all().all()
    looks = frame_of(quantile_estimates(table))
    assert looks.set_index("metric_id")["status"].to_dict()["m6"] == "estimator_unavailable"
    assert frame_of(quantile_estimates(table[table["metric_type"] == "mean"])).empty
