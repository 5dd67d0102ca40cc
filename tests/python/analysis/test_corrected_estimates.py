"""Estimates whose first-order theory does not hold: what replaces them, and where nothing does."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from python_stats.analysis.effects import effects
from python_stats.analysis.estimators.moment_estimates import moment_estimates
from python_stats.analysis.settings import Settings
from python_stats.analysis.table.estimate_rows import frame_of
from python_stats.means.hall_transformation import hall_wald
from python_stats.rates.proportion_score import miettinen_nurminen_interval, score_ratio_interval


def revenue(rng, size, share=0.2):
    return rng.lognormal(0, 1, size) * (rng.random(size) < share)


def skewness_of(control, treatment):
    """Skewness of the difference of two means, from the units of both arms together."""
    values = np.concatenate([control - control.mean(), treatment - treatment.mean()])
    n_c, n_t = control.size, treatment.size
    spread = (values**2).sum() - control.var(ddof=1) - treatment.var(ddof=1)
    # Variances with n - 1, third moments with n.
    sizes = n_c + n_t
    within = ((n_c - 1) * control.var(ddof=1) + (n_t - 1) * treatment.var(ddof=1)) / sizes
    assert spread > 0
    own = (values**3).mean() / within**1.5
    return own * (n_t**-2.0 - n_c**-2.0) / (1 / n_t + 1 / n_c) ** 1.5


def rows_of(table: pd.DataFrame, **settings) -> pd.DataFrame:
    return frame_of(moment_estimates(table, Settings(**settings))).set_index("estimator")


@pytest.fixture
def lopsided():
    rng = np.random.default_rng(31)
    return revenue(rng, 1800), 1.2 * revenue(rng, 200)


def test_a_skewed_difference_is_compared_by_halls_transformation_of_welch(comparison, frame, lopsided):
    control, treatment = lopsided
    got = rows_of(frame(comparison({"numerator": control}, {"numerator": treatment})))
    welch = stats.ttest_ind(treatment, control, equal_var=False)
    se = np.sqrt(control.var(ddof=1) / control.size + treatment.var(ddof=1) / treatment.size)
    want = hall_wald(treatment.mean() - control.mean(), se, welch.df, skewness_of(control, treatment))
    row = got.loc["difference_corrected"]
    assert row["effect_skewness"] == pytest.approx(skewness_of(control, treatment), rel=1e-9)
    assert (row["status"], row["is_unadjusted"]) == ("ok", True)
    for name, value in (("p_value", want.p_value), ("effect_ci_low", want.ci_low), ("effect_ci_high", want.ci_high)):
        assert row[name] == pytest.approx(float(value), rel=1e-9)
    # The first-order row stands beside it, as other tools would show it.
    assert got.loc["difference", "p_value"] == pytest.approx(welch.pvalue, rel=1e-9)
    assert not got.loc["difference", "is_unadjusted"]
    assert (row["lift_ci_low"] > 0) == (row["effect_ci_low"] > 0)


def test_a_skewed_adjusted_difference_is_corrected_by_the_skewness_of_what_is_left(comparison, frame):
    rng = np.random.default_rng(32)
    arms = []
    for size in (1800, 200):
        past = revenue(rng, size, 0.5)
        arms.append({"numerator": past + revenue(rng, size), "covariate": past})
    got = rows_of(frame(comparison(*arms)))
    both = {name: np.concatenate([arm[name] for arm in arms]) for name in arms[0]}
    theta = np.cov(both["numerator"], both["covariate"])[0, 1] / both["covariate"].var(ddof=1)
    adjusted = [arm["numerator"] - theta * arm["covariate"] for arm in arms]
    row = got.loc["cuped_corrected"]
    assert row["effect_skewness"] == pytest.approx(skewness_of(*adjusted), rel=1e-9)
    welch = stats.ttest_ind(adjusted[1], adjusted[0], equal_var=False)
    want = hall_wald(row["effect"], row["effect_se"], welch.df, skewness_of(*adjusted))
    assert row["effect"] == pytest.approx(adjusted[1].mean() - adjusted[0].mean(), rel=1e-9)
    assert row["p_value"] == pytest.approx(float(want.p_value), rel=1e-9)
    assert 0 < row["variance_reduction"] < 1


def hc3_se(numerator, denominator):
    """Standard error of a ratio of sums by HC3, the jackknife without its factor (n - 1) / n."""
    share = denominator / denominator.sum()
    residual = numerator - numerator.sum() / denominator.sum() * denominator
    return np.sqrt(((residual / (1 - share)) ** 2).sum()) / denominator.sum()


def test_a_ratio_of_few_units_has_nearly_the_standard_error_of_hc3(comparison, frame):
    rng = np.random.default_rng(33)
    arms = []
    for _ in range(2):
        sessions = rng.poisson(6, 30) + 1
        arms.append({"numerator": rng.binomial(sessions, 0.3), "denominator": sessions})
    got = rows_of(frame(comparison(*arms, metric_type="ratio")))
    whole = np.sqrt(sum(hc3_se(arm["numerator"], arm["denominator"]) ** 2 for arm in arms))
    first, corrected = got.loc["ratio", "effect_se"], got.loc["ratio_corrected", "effect_se"]
    assert corrected > first
    # To its first order, which is nearly all of the way from the delta method.
    assert abs(corrected - whole) < 0.15 * (whole - first)
    assert got.loc["ratio_corrected", "p_value"] > got.loc["ratio", "p_value"]


def test_a_skewed_ratio_is_corrected_and_takes_the_place_of_its_adjusted_one(comparison, frame):
    rng = np.random.default_rng(34)
    arms = []
    for size in (4000, 100):
        taste, sessions = rng.gamma(0.3, 1.0, size), rng.poisson(6, size) + 1
        now, before = (rng.poisson(sessions * taste * 0.3) for _ in range(2))
        arms.append({"numerator": now, "denominator": sessions, "covariate": before, "covariate_denominator": sessions})
    table = frame(comparison(*arms, metric_type="ratio"))
    got = rows_of(table)
    residuals = [
        (arm["numerator"] - arm["numerator"].sum() / arm["denominator"].sum() * arm["denominator"])
        / arm["denominator"].mean()
        for arm in arms
    ]
    assert got.loc["ratio_corrected", "effect_skewness"] == pytest.approx(skewness_of(*residuals), rel=1e-9)
    assert got.loc["ratio_cuped", "status"] == "too_skewed" and np.isnan(got.loc["ratio_cuped", "p_value"])
    shown = effects(table, {})
    assert shown.loc[shown["is_headline"], "estimator"].tolist() == ["ratio_corrected"]


def test_equal_arms_symmetric_values_and_rates_need_no_correction(comparison, frame, lopsided):
    rng = np.random.default_rng(35)
    table = frame(
        comparison({"numerator": revenue(rng, 500)}, {"numerator": revenue(rng, 500)}, metric_id="equal"),
        comparison({"numerator": rng.normal(5, 1, 900)}, {"numerator": rng.normal(5, 1, 60)}, metric_id="symmetric"),
        comparison({"numerator": (rng.random(3000) < 0.05) * 1.0}, {"numerator": (rng.random(500) < 0.05) * 1.0},
                   metric_id="rate", metric_type="proportion"),
        comparison(*({"numerator": part} for part in lopsided), metric_id="skewed"),
    )  # fmt: skip
    got = frame_of(moment_estimates(table))
    assert set(got.loc[got["estimator"] == "difference_corrected", "metric_id"]) == {"skewed"}
    free = frame_of(moment_estimates(table, Settings(skewness_corrected_from=0.65)))
    assert set(free["estimator"]) == {"difference"}


def test_what_is_too_skewed_for_any_correction_has_a_status_and_no_number(comparison, frame, lopsided):
    arms = [{"numerator": part} for part in lopsided]
    got = rows_of(frame(comparison(*arms)), skewness_limit=0.2)
    assert list(got.index) == ["difference"]
    row = got.iloc[0]
    assert (row["status"], row["is_unadjusted"]) == ("too_skewed", True)
    assert np.isnan(row[["p_value", "effect_ci_low", "effect_ci_high", "effect_se"]].astype(float)).all()
    assert row["effect"] == pytest.approx(arms[1]["numerator"].mean() - arms[0]["numerator"].mean())
    assert abs(row["effect_skewness"]) > 0.2


@pytest.mark.parametrize("wish", [None, "difference", "unadjusted"])
def test_the_corrected_estimate_is_the_headline(comparison, frame, lopsided, wish):
    shown = effects(frame(comparison(*({"numerator": x} for x in lopsided), estimator=wish)), {})
    assert shown.loc[shown["is_headline"], "estimator"].tolist() == ["difference_corrected"]
    assert shown["is_unadjusted"].fillna(False).sum() == 1


def test_swapping_the_arms_turns_the_interval_and_scale_goes_through_it(comparison, frame, lopsided):
    control, treatment = ({"numerator": x} for x in lopsided)
    forth = rows_of(frame(comparison(control, treatment))).loc["difference_corrected"]
    back = rows_of(frame(comparison(treatment, control))).loc["difference_corrected"]
    assert back["p_value"] == pytest.approx(forth["p_value"], rel=1e-9)
    assert back["effect_ci_low"] == pytest.approx(-forth["effect_ci_high"], rel=1e-9)
    scaled = rows_of(frame(comparison(*({"numerator": 7 + 3 * x} for x in lopsided)))).loc["difference_corrected"]
    assert scaled["p_value"] == pytest.approx(forth["p_value"], rel=1e-7)
    assert scaled["effect_ci_high"] == pytest.approx(3 * forth["effect_ci_high"], rel=1e-7)


def test_one_sided_plans_have_one_sided_intervals(comparison, frame, lopsided):
    got = rows_of(frame(comparison(*({"numerator": x} for x in lopsided), alternative="less")))
    row = got.loc["difference_corrected"]
    assert row["effect_ci_low"] == -np.inf and np.isfinite(row["effect_ci_high"])
    assert row["lift_ci_low"] == -np.inf and np.isfinite(row["lift_ci_high"])


def test_rates_with_few_events_have_the_intervals_of_the_score_test(comparison, frame):
    arms = [{"numerator": np.r_[np.ones(k), np.zeros(n - k)]} for k, n in ((30, 400), (44, 410))]
    table = frame(comparison(*arms, metric_type="proportion"))
    got = rows_of(table).loc["difference"]
    want = miettinen_nurminen_interval(30, 400, 44, 410)
    ratio = score_ratio_interval(30, 400, 44, 410, small_sample_factor=True)
    assert got["effect_ci_low"] == pytest.approx(float(want.ci_low), rel=1e-12)
    assert got["effect_ci_high"] == pytest.approx(float(want.ci_high), rel=1e-12)
    assert (got["lift_ci_low"], got["lift_method"]) == (pytest.approx(float(ratio.ci_low) - 1, rel=1e-12), "score")
    plain = rows_of(table, score_below=0).loc["difference"]
    assert plain["p_value"] == got["p_value"]
    spread = 1.959964 * np.sqrt(0.075 * 0.925 / 400 + (44 / 410) * (366 / 410) / 410)
    assert plain["effect_ci_low"] == pytest.approx(44 / 410 - 0.075 - spread, rel=1e-6)


def clustered(comparison, level, **plan):
    """A comparison of arms whose cluster-robust moments are given by hand."""
    arms = [{"numerator": np.r_[np.ones(k), np.zeros(90 - k)]} for k in (30, 45)]
    own = {f"{name}_{arm}": value for arm in ("control", "treatment") for name, value in level.items()}
    return comparison(*arms, is_clustered=True, **own, **plan)


def test_clusters_of_unequal_size_have_fewer_degrees_of_freedom(comparison, frame):
    # Five clusters in an arm; 1 / trace is what Bell and McCaffrey leave of their four degrees of freedom.
    even = {"clusters": 5, "cluster_var_numerator": 2.0, "satterthwaite_trace": 0.25, "cluster_level": 0.2,
            "cluster_level_trace": 0.01}  # fmt: skip
    uneven = even | {"satterthwaite_trace": 0.4, "cluster_level": 0.3, "cluster_level_trace": 0.06}
    got = frame_of(
        moment_estimates(frame(clustered(comparison, even, metric_id="even"), clustered(comparison, uneven)))
    )
    same = got[got["metric_id"] == "even"]
    assert same["estimator"].tolist() == ["cluster"] and same["df"].tolist() == pytest.approx([8.0])
    pair = got[got["metric_id"] == "m"].set_index("estimator")
    assert pair["df"].to_dict() == pytest.approx({"cluster": 5.0, "cluster_corrected": 3.0})
    assert pair.loc["cluster_corrected", "effect_se"] == pair.loc["cluster", "effect_se"]
    t = pair.loc["cluster", "statistic"]
    assert pair.loc["cluster_corrected", "p_value"] == pytest.approx(2 * stats.t.sf(abs(t), 3), rel=1e-10)
    assert pair["is_unadjusted"].to_dict() == {"cluster": False, "cluster_corrected": True}


def test_many_clusters_of_unequal_size_have_enough_degrees_of_freedom_by_either_model(comparison, frame):
    many = {"clusters": 5_000, "cluster_var_numerator": 2.0, "satterthwaite_trace": 1 / 4_000, "cluster_level": 4e-4,
            "cluster_level_trace": 8e-11}  # fmt: skip
    assert rows_of(frame(clustered(comparison, many))).index.tolist() == ["cluster"]


LEVEL = {"clusters": 5, "cluster_var_numerator": 2.0, "satterthwaite_trace": 0.25, "cluster_level": 0.2,
         "cluster_level_trace": 0.01}  # fmt: skip


def test_rates_of_clusters_that_expect_a_handful_of_events_have_a_status(comparison, frame):
    # 75 of 180 units have the outcome: an arm expects 37.5.
    rate = frame(clustered(comparison, LEVEL, metric_type="proportion"))
    got = rows_of(rate, exact_below=19.0)
    assert got["status"].tolist() == ["too_few_events"] and np.isnan(got["p_value"]).all()
    assert rows_of(rate)["status"].tolist() == ["ok"]
    assert rows_of(frame(clustered(comparison, LEVEL)), exact_below=19.0)["status"].tolist() == ["ok"]


def test_trap_a_catastrophe_in_clusters_is_not_too_few_events(comparison, frame):
    arms = [{"numerator": np.r_[np.ones(k), np.zeros(900 - k)]} for k in (3, 140)]
    own = {f"{name}_{arm}": value for arm in ("control", "treatment") for name, value in LEVEL.items()}
    got = rows_of(frame(comparison(*arms, is_clustered=True, metric_type="proportion", **own)))
    assert got["status"].tolist() == ["ok"] and got["p_value"].iloc[0] < 0.06


def households(rng, size):
    """Return units and totals of households of one or two, four in ten of which spend."""
    units = rng.integers(1, 3, size)
    return units, revenue(rng, size, 0.4) * units


def test_a_skewed_difference_of_clusters_is_transformed_by_the_skewness_of_their_totals(comparison, frame):
    rng = np.random.default_rng(37)
    row, totals = {}, []
    for arm, size in (("control", 2700), ("treatment", 300)):
        units, total = households(rng, size)
        residual = total - total.sum() / units.sum() * units
        share = units / units.sum()
        totals.append((residual, units))
        row |= {
            f"clusters_{arm}": size, f"cluster_var_numerator_{arm}": (residual**2 / (1 - share)).sum() / units.sum(),
            f"satterthwaite_trace_{arm}": 1 / (size - 1), f"cluster_level_{arm}": 1 / size,
            f"cluster_level_trace_{arm}": 1 / (size**2 * (size - 1)),
            f"cluster_cubes_numerator_{arm}": (residual**3).sum(),
        }  # fmt: skip
    arms = [{"numerator": np.repeat(r / n, n)} for r, n in totals]
    got = rows_of(frame(comparison(*arms, is_clustered=True, **row)))
    want = skewness_of(*(residual for residual, _ in totals))
    assert got.loc["cluster_corrected", "effect_skewness"] == pytest.approx(want, rel=0.01)
    plain, corrected = got.loc["cluster"], got.loc["cluster_corrected"]
    expected = hall_wald(plain["effect"], plain["effect_se"], plain["df"], corrected["effect_skewness"])
    assert corrected["p_value"] == pytest.approx(float(expected.p_value), rel=1e-9)
    assert rows_of(frame(comparison(*arms, is_clustered=True, **row)), skewness_limit=0.11)["status"].tolist() == [
        "too_skewed"
    ]


def test_a_planned_estimator_without_evidence_is_unavailable_however_skewed_the_values(comparison, frame, lopsided):
    table = frame(comparison(*({"numerator": x} for x in lopsided), estimator="permutation"))
    for limit in (0.7, 0.2):
        shown = effects(table, {}, settings=Settings(skewness_limit=limit))
        headline = shown[shown["is_headline"]].iloc[0]
        assert (headline["estimator"], headline["status"]) == ("permutation", "estimator_unavailable")


def test_a_skewed_estimate_has_no_normal_posterior(comparison, frame, lopsided):
    rng = np.random.default_rng(38)
    table = frame(
        comparison(*({"numerator": x} for x in lopsided), metric_id="skewed"),
        comparison({"numerator": rng.normal(5, 1, 90)}, {"numerator": rng.normal(5, 1, 90)}, metric_id="plain"),
    )
    shown = effects(table, {})
    assert shown.loc[shown["estimator"] == "bayes", "metric_id"].tolist() == ["plain"]


def test_several_arms_of_which_one_is_corrected_have_bonferronis_omnibus_test_and_none_where_one_is_refused(
    comparison, frame, lopsided
):
    control, small = ({"numerator": x} for x in lopsided)
    second = {"numerator": revenue(np.random.default_rng(39), 250)}
    table = frame(comparison(control, small, variant_id="a"), comparison(control, second, variant_id="b"))
    shown = effects(table, {})
    headlines = shown[shown["is_headline"]]
    assert set(headlines["estimator"]) == {"difference_corrected"}
    least = min(1.0, 2 * headlines["p_value"].min())
    assert headlines["omnibus_p_value"].tolist() == pytest.approx([least, least])
    skewness = headlines["effect_skewness"].abs()
    refusing = Settings(skewness_limit=float(skewness.mean()))
    shown = effects(table, {}, settings=refusing)
    headlines = shown[shown["is_headline"]]
    assert set(headlines["status"]) == {"ok", "too_skewed"} and headlines["omnibus_p_value"].isna().all()


def test_many_comparisons_at_once_are_the_same_as_one_at_a_time(comparison, frame, lopsided):
    rng = np.random.default_rng(36)
    rows = [
        comparison(*({"numerator": x} for x in lopsided), metric_id="a"),
        comparison({"numerator": revenue(rng, 50)}, {"numerator": revenue(rng, 60)}, metric_id="b"),
        comparison({"numerator": rng.poisson(3, 50), "denominator": rng.poisson(4, 50) + 1},
                   {"numerator": rng.poisson(3, 40), "denominator": rng.poisson(4, 40) + 1},
                   metric_id="c", metric_type="ratio"),
    ]  # fmt: skip
    together = frame_of(moment_estimates(frame(*rows))).sort_values(["metric_id", "estimator"], ignore_index=True)
    alone = pd.concat([frame_of(moment_estimates(frame(row))) for row in rows], ignore_index=True)
    alone = alone.sort_values(["metric_id", "estimator"], ignore_index=True)
    pd.testing.assert_frame_equal(together, alone[together.columns], check_dtype=False)


def test_no_comparisons_have_no_rows(comparison, frame, lopsided):
    empty = frame(comparison(*({"numerator": x} for x in lopsided))).iloc[:0]
    assert frame_of(moment_estimates(empty)).empty


def test_a_planned_estimator_without_a_correction_shows_the_skewness_and_is_refused_beyond_the_limit(comparison, frame):
    rng = np.random.default_rng(40)
    arms = []
    for size in (1800, 200):
        past = revenue(rng, size, 0.5)
        arms.append({"numerator": past + revenue(rng, size), "covariate": past})
    table = frame(comparison(*arms, estimator="difference_in_differences", period_ratio=1.0))
    for limit, status in ((0.7, "ok"), (0.15, "too_skewed")):
        shown = effects(table, {}, settings=Settings(skewness_limit=limit))
        row = shown[shown["is_headline"]].iloc[0]
        assert (row["estimator"], row["status"]) == ("difference_in_differences", status)
        assert row["effect_skewness"] == pytest.approx(skewness_of(*(arm["numerator"] for arm in arms)), rel=1e-9)
        assert np.isnan(row["p_value"]) == np.isnan(row["effect_ci_low"]) == (status != "ok")
        assert np.isfinite(row["effect"])


SHIFTED = ["effect", "effect_se", "statistic", "df", "p_value", "effect_ci_low", "effect_skewness"]


def arms_of_kind(kind):
    """Return two arms of units: one constant, one skewed, or both with a pre-period."""
    rng = np.random.default_rng(61)
    rare = np.r_[np.full(8, 30.0), np.zeros(372)]
    if kind == "constant treatment":
        return {"numerator": rare}, {"numerator": np.zeros(20)}
    if kind == "nearly constant treatment":
        return {"numerator": rare}, {"numerator": 1e-7 * rng.integers(0, 2, 20)}
    if kind == "skewed":
        return {"numerator": revenue(rng, 900)}, {"numerator": revenue(rng, 300)}
    before = [rng.gamma(1.0, size=size) for size in (900, 200)]
    return tuple({"numerator": x + rng.gamma(0.3, size=x.size), "covariate": x} for x in before)


@pytest.mark.parametrize("by_clusters", [False, True], ids=["units", "clusters"])
@pytest.mark.parametrize("shift", [1.0, -7.0, 400.0])
@pytest.mark.parametrize("kind", ["constant treatment", "nearly constant treatment", "skewed", "adjusted"])
def test_a_shift_of_all_values_changes_no_estimate_and_no_status(comparison, frame, kind, shift, by_clusters):
    arms = arms_of_kind(kind)
    moved = [arm | {"numerator": arm["numerator"] + shift} for arm in arms]
    tables = []
    for pair in (arms, moved):
        row = comparison(*pair)
        if by_clusters:
            for name, arm in zip(("control", "treatment"), pair, strict=True):
                row |= single_units_as_clusters(name, arm)
            row["is_clustered"] = True
        tables.append(rows_of(frame(row)))
    before, after = tables
    assert after.index.tolist() == before.index.tolist()
    assert after["status"].tolist() == before["status"].tolist()
    for name in SHIFTED:
        want = before[name].to_numpy(dtype=float)
        assert after[name].to_numpy(dtype=float) == pytest.approx(want, rel=1e-5, abs=1e-9, nan_ok=True), name


def single_units_as_clusters(name, arm):
    """Return what `cluster_moment` says of an arm whose units are clusters of their own."""
    size = arm["numerator"].size
    left = {key: arm[key] - arm[key].mean() for key in arm}
    pre = left.get("covariate")
    row = {
        f"clusters_{name}": size, f"satterthwaite_trace_{name}": 1 / (size - 1), f"cluster_level_{name}": 1 / size,
        f"cluster_level_trace_{name}": 1 / (size**2 * (size - 1)),
        f"cluster_var_numerator_{name}": (left["numerator"] ** 2).sum() / (size - 1),
        f"cluster_cubes_numerator_{name}": (left["numerator"] ** 3).sum(),
    }  # fmt: skip
    if pre is not None:
        row |= {
            f"cluster_var_covariate_{name}": (pre**2).sum() / (size - 1),
            f"cluster_cov_numerator_covariate_{name}": (left["numerator"] * pre).sum() / (size - 1),
            f"cluster_squares_numerator_covariate_{name}": (left["numerator"] ** 2 * pre).sum(),
            f"cluster_squares_covariate_numerator_{name}": (left["numerator"] * pre**2).sum(),
            f"cluster_cubes_covariate_{name}": (pre**3).sum(),
        }
    return row
