"""From trimmed and logarithmic moments to rows."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from python_stats.analysis.estimators.robust_estimates import geometric_estimates, trimmed_estimates
from python_stats.analysis.table.estimate_rows import frame_of

RNG = np.random.default_rng(13)
CONTROL = np.where(RNG.random(153) < 0.6, RNG.lognormal(1, 1.5, 153), 0.0)
TREATMENT = np.where(RNG.random(118) < 0.7, RNG.lognormal(1.2, 1.5, 118), 0.0)


@pytest.fixture
def rows(comparison, frame):
    """``rows(estimator, (control, treatment), …)``: one comparison per pair, arms named by its number."""

    def run(estimator, *pairs, **plan):
        comparisons, moments = [], []
        for key, pair in enumerate(pairs):
            units = ({"numerator": np.asarray(values, dtype=float)} for values in pair)
            comparisons.append(
                comparison(*units, **{"plan_key": key, "metric_id": str(key), "estimator": estimator, **plan})
            )
            moments += [
                {
                    "plan_key": key,
                    "variant_id": variant,
                    **(trimmed if estimator == "trimmed" else logged)(np.array(values)),
                }
                for variant, values in zip("ct", pair, strict=True)
            ]
        function = trimmed_estimates if estimator == "trimmed" else geometric_estimates
        return frame_of(function(frame(*comparisons), pd.DataFrame(moments)))

    return run


def trimmed(values, share=0.1):
    cut = int(len(values) * share)
    kept = np.sort(values)[cut : len(values) - cut]
    return {
        "n": len(values), "trim_proportion": share, "mean_kept": kept.mean(),
        "var_kept": kept.var(ddof=1) if len(kept) > 1 else np.nan, "lowest_kept": kept[0], "highest_kept": kept[-1],
    }  # fmt: skip


def logged(values):
    negative = int((values <= 0).sum())
    log = np.log(values) if negative == 0 else np.full(2, np.nan)
    return {"n": len(values), "n_not_positive": negative, "mean_log": log.mean(), "var_log": log.var(ddof=1)}


def test_the_trimmed_row_is_yuens_test(rows):
    row = rows("trimmed", (CONTROL, TREATMENT)).iloc[0]
    want = stats.ttest_ind(TREATMENT, CONTROL, equal_var=False, trim=0.1)
    assert (row["statistic"], row["df"], row["p_value"]) == pytest.approx((want.statistic, want.df, want.pvalue))
    assert row["mean_control"] == pytest.approx(stats.trim_mean(CONTROL, 0.1))
    assert row["lift"] == pytest.approx(row["mean_treatment"] / row["mean_control"] - 1)
    assert row["lift_ci_low"] < row["lift"] < row["lift_ci_high"]
    assert row["status"] == "ok" and not row["is_unadjusted"]


def test_the_geometric_row_is_welch_on_logarithms(rows):
    control, treatment = CONTROL + 1, TREATMENT + 1
    row = rows("geometric", (control, treatment)).iloc[0]
    want = stats.ttest_ind(np.log(treatment), np.log(control), equal_var=False)
    assert (row["statistic"], row["p_value"]) == pytest.approx((want.statistic, want.pvalue))
    assert row["lift"] == pytest.approx(stats.gmean(treatment) / stats.gmean(control) - 1)
    assert row["effect"] == pytest.approx(row["mean_treatment"] - row["mean_control"])
    assert row["status"] == "ok" and row["lift_method"] == "log_t"


@pytest.mark.parametrize(("estimator", "offset"), [("trimmed", 0), ("geometric", 1)])
def test_the_arms_parts_of_the_variance_add_up(rows, estimator, offset):
    pair = CONTROL + offset, TREATMENT + offset
    forth, back = rows(estimator, pair, pair[::-1]).to_dict("records")
    assert forth["control_variance"] + back["control_variance"] == pytest.approx(forth["effect_se"] ** 2, rel=1e-9)


def test_shift_and_scale(rows):
    plain, moved, wide = rows(
        "trimmed", (CONTROL, TREATMENT), (CONTROL + 70, TREATMENT + 70), (9 * CONTROL, 9 * TREATMENT)
    ).to_dict("records")
    assert moved["effect"] == pytest.approx(plain["effect"]) and moved["p_value"] == pytest.approx(plain["p_value"])
    assert moved["lift"] < plain["lift"]
    assert wide["effect"] == pytest.approx(9 * plain["effect"]) and wide["lift"] == pytest.approx(plain["lift"])
    assert wide["effect_ci_high"] == pytest.approx(9 * plain["effect_ci_high"])


@pytest.mark.parametrize(("estimator", "offset"), [("trimmed", 0), ("geometric", 1)])
def test_swapping_the_arms_turns_the_effect(rows, estimator, offset):
    pair = CONTROL + offset, TREATMENT + offset
    forth, back = rows(estimator, pair, pair[::-1]).to_dict("records")
    assert forth["effect"] == pytest.approx(-back["effect"]) and forth["p_value"] == pytest.approx(back["p_value"])
    assert forth["effect_ci_low"] == pytest.approx(-back["effect_ci_high"])
    assert 1 + forth["lift"] == pytest.approx(1 / (1 + back["lift"]))


@pytest.mark.parametrize("bad", [0.0, -3.0])
def test_one_value_that_is_not_positive_leaves_nothing(rows, bad):
    good = TREATMENT + 1
    table = rows("geometric", (np.append(CONTROL + 1, bad), good), (good, good * 2))
    assert list(table["status"]) == ["not_positive", "ok"]
    numbers = ["mean_control", "mean_treatment", "effect", "effect_se", "lift", "lift_ci_low", "p_value"]
    assert table.loc[0, numbers].isna().all() and table.loc[1, numbers].notna().all()


def test_trap_a_constant_metric_has_no_test(rows):
    for estimator in ("trimmed", "geometric"):
        row = rows(estimator, (np.full(30, 0.1), np.full(40, 0.1))).iloc[0]
        assert row["status"] == "zero_variance" and row["effect"] == pytest.approx(0, abs=1e-12)
        assert np.isnan(row[["p_value", "effect_se", "effect_ci_low", "lift_ci_low"]].astype(float)).all()


def test_a_trimmed_rate_is_refused_where_the_cut_takes_all_successes(rows):
    row = rows("trimmed", (np.r_[np.zeros(95), np.ones(5)], np.r_[np.zeros(92), np.ones(8)])).iloc[0]
    assert row["status"] == "zero_variance" and np.isnan(row["p_value"])


def test_only_plans_that_ask_have_rows(rows, comparison, frame):
    table = frame(comparison({"numerator": CONTROL}, {"numerator": TREATMENT}))
    for function in (trimmed_estimates, geometric_estimates):
        assert not function(table, pd.DataFrame())
    assert rows("trimmed", (CONTROL, TREATMENT), control_variant_id="nobody").empty
