"""Comparisons whose first-order theory does not hold, from unit rows to the marts.

Expected numbers come from the units: third moments by scipy, the transformation's limits by root search, degrees of
freedom from dense matrices.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

from python_stats.rates.proportion_score import miettinen_nurminen_interval


def spenders(rng, size, share, sigma=1.0):
    return np.where(rng.random(size) < share, np.round(rng.lognormal(2, sigma, size), 2), 0.0)


@pytest.fixture(scope="module")
def programme(write_experiment, stack):
    rng = np.random.default_rng(20250301)
    designs, clusters = {}, {}
    for exp_id, sizes in {"holdout": (2700, 300), "before_after": (2700, 300), "sliver": (2970, 30)}.items():
        designs[exp_id] = {}
        for variant, size, factor in zip(("control", "treatment"), sizes, (1.0, 1.15), strict=True):
            taste = rng.gamma(1.0, 1.0, size)
            visits = rng.poisson(2 + 2 * taste) + 1
            designs[exp_id][variant] = {
                "spend": spenders(rng, size, 0.2) * factor,
                "minutes": np.round(taste**2 + spenders(rng, size, 0.3) * factor, 2),
                "pre minutes": np.round(taste**2, 2),
                "visits": visits,
                "orders": rng.binomial(visits, np.clip(0.1 * taste, 0, 1)),
                "rare": (rng.random(size) < 0.08).astype(float),
            }
    designs["small"] = {}
    for variant in ("control", "treatment"):
        visits = rng.poisson(4, 30) + 1
        designs["small"][variant] = {"visits": visits, "orders": rng.binomial(visits, 0.3)}
    designs["markets"] = {}
    for variant in ("control", "treatment"):
        sizes = np.array([3, 5, 8, 12, 20, 33, 60, 140])
        market = np.repeat(np.arange(sizes.size), sizes)
        level = rng.normal(20, 4, sizes.size)[market]
        designs["markets"][variant] = {
            "trips": np.round(level + rng.normal(0, 3, market.size), 2),
            "pre trips": np.round(level + rng.normal(0, 3, market.size), 2),
            "seldom": (np.arange(market.size) < 6).astype(float),
        }
        clusters[variant] = [f"{variant}-{m}" for m in market]
    tables = [
        write_experiment(
            exp_id, arms, primary=next(iter(arms["control"])), assigned_days=4,
            traffic={"control": 9, "treatment": 1} if exp_id in ("holdout", "before_after") else None,
            clusters=clusters if exp_id == "markets" else None,
        )
        for exp_id, arms in designs.items()
    ]  # fmt: skip
    plan = [
        *(("holdout", metric, None) for metric in ("spend", "minutes", "order_rate", "rare")),
        ("holdout", "spend_plain", "difference"),
        ("before_after", "minutes", "difference_in_differences"),
        ("sliver", "spend", None),
        ("small", "order_rate", None),
        *(("markets", metric, None) for metric in ("trips", "seldom")),
    ]
    plan = pd.DataFrame(plan, columns=["exp_id", "metric_id", "estimator"]).astype({"estimator": "string"})
    metric = pd.DataFrame(
        [("order_rate", "ratio", "orders", "visits"), ("spend_plain", "mean", "spend", None)],
        columns=["metric_id", "metric_type", "numerator_kpi", "denominator_kpi"],
    ).assign(window_start_day=0, window_end_day=14, aggregation="sum", covariate_days=0)
    plan["role"] = np.where(plan["metric_id"] == "trips", "primary", "secondary")
    return stack(*tables, {"experiment_metric": plan, "metric": metric}), designs


@pytest.fixture(scope="module")
def built(shared_project, programme):
    outcome = shared_project.load(**programme[0]).build("--exclude-resource-type", "unit_test", as_of="2024-02-01")
    assert outcome.success, outcome.error
    return shared_project


def units(programme, exp_id, kpi):
    return [np.asarray(programme[1][exp_id][variant][kpi], dtype=float) for variant in ("control", "treatment")]


def estimates(built, exp_id, metric_id):
    table = built.table("metric_estimate").query("exp_id == @exp_id and metric_id == @metric_id")
    return table.set_index("estimator")


def skewness_of(control, treatment):
    n_c, n_t = control.size, treatment.size
    third = (n_c * stats.moment(control, 3) + n_t * stats.moment(treatment, 3)) / (n_c + n_t)
    spread = ((n_c - 1) * control.var(ddof=1) + (n_t - 1) * treatment.var(ddof=1)) / (n_c + n_t)
    return third / spread**1.5 * (n_t**-2.0 - n_c**-2.0) / (1 / n_t + 1 / n_c) ** 1.5


def check_transformed(row, control, treatment, se, df):
    """The cubic by hand, its limits as roots of its test."""
    skewness, effect = skewness_of(control, treatment), row["effect"]
    assert abs(skewness) > 0.1
    assert row["effect_skewness"] == pytest.approx(skewness, rel=1e-8)

    def transformed(null):
        t = (effect - null) / se
        return t + skewness * t**2 / 3 + skewness**2 * t**3 / 27 + skewness / 6

    q = stats.t.ppf(0.975, df)
    assert row["statistic"] == pytest.approx(transformed(0.0), rel=1e-8)
    assert row["p_value"] == pytest.approx(2 * stats.t.sf(abs(transformed(0.0)), df), rel=1e-7)
    for name, side in (("effect_ci_low", q), ("effect_ci_high", -q)):
        limit = optimize.brentq(lambda null, side=side: transformed(null) - side, effect - 40 * se, effect + 40 * se)
        assert row[name] == pytest.approx(limit, rel=1e-7)


@pytest.mark.parametrize("metric_id", ["spend", "spend_plain"])
def test_a_skewed_mean_of_a_holdout_is_halls_transformation_of_welch(built, programme, metric_id):
    control, treatment = units(programme, "holdout", "spend")
    row = built.result("holdout", metric_id)
    assert (row["estimator"], row["status"]) == ("difference_corrected", "ok")
    welch = stats.ttest_ind(treatment, control, equal_var=False)
    check_transformed(row, control, treatment, np.hypot(stats.sem(control), stats.sem(treatment)), welch.df)
    assert row["p_value_unadjusted"] == pytest.approx(row["p_value"], rel=1e-12)
    assert estimates(built, "holdout", metric_id).loc["difference", "p_value"] == pytest.approx(welch.pvalue, rel=1e-9)


def test_a_skewed_adjusted_mean_is_transformed_by_the_skewness_of_what_is_left(built, programme):
    now, before = units(programme, "holdout", "minutes"), units(programme, "holdout", "pre minutes")
    both = np.cov(np.concatenate(now), np.concatenate(before))
    adjusted = [y - both[0, 1] / both[1, 1] * x for y, x in zip(now, before, strict=True)]
    row = built.result("holdout", "minutes")
    assert row["estimator"] == "cuped_corrected" and row["variance_reduction"] > 0.05
    df = stats.ttest_ind(adjusted[1], adjusted[0], equal_var=False).df
    check_transformed(row, *adjusted, np.hypot(stats.sem(adjusted[0]), stats.sem(adjusted[1])), df)


def linearised(orders, visits):
    ratio = orders.sum() / visits.sum()
    return (orders - ratio * visits) / visits.mean()


def test_a_skewed_ratio_is_transformed(built, programme):
    orders, visits = units(programme, "holdout", "orders"), units(programme, "holdout", "visits")
    parts = [linearised(y, d) for y, d in zip(orders, visits, strict=True)]
    row = built.result("holdout", "order_rate")
    assert row["estimator"] == "ratio_corrected"
    # Three hundred units have next to no leverage: the standard error is nearly the delta method's.
    plain = np.hypot(*(stats.sem(part) for part in parts))
    assert plain < row["effect_se"] < 1.01 * plain
    check_transformed(row, *parts, row["effect_se"], stats.ttest_ind(parts[1], parts[0], equal_var=False).df)


def test_a_ratio_of_few_units_has_the_standard_error_of_their_leverage(built, programme):
    orders, visits = units(programme, "small", "orders"), units(programme, "small", "visits")
    variance = 0.0
    for y, d in zip(orders, visits, strict=True):
        residual = y - y.sum() / d.sum() * d
        variance += (residual**2 * (1 + 2 * d / d.sum())).sum() / d.sum() ** 2
    row = built.result("small", "order_rate")
    assert row["estimator"] == "ratio_corrected"
    assert row["effect_se"] == pytest.approx(np.sqrt(variance), rel=1e-9)


def test_five_buyers_are_no_test(built):
    row = built.result("sliver", "spend")
    assert (row["estimator"], row["status"]) == ("difference", "too_skewed")
    assert pd.isna(row[["p_value", "effect_se", "effect_ci_low", "lift_ci_high", "p_value_adjusted"]]).all()
    assert row["effect"] == pytest.approx(row["mean_treatment"] - row["mean_control"])
    health = built.health("sliver")
    assert health.loc["normal_approximation", "status"] == "warn"
    assert "too far from normal" in health.loc["normal_approximation", "message"]
    assert built.health("holdout").loc["normal_approximation", "status"] == "pass"


def test_a_planned_estimator_without_a_correction_is_warned_of(built):
    row = built.result("before_after", "minutes")
    assert (row["estimator"], row["status"]) == ("difference_in_differences", "ok")
    assert 0.1 < abs(row["effect_skewness"]) < 0.7
    check = built.health("before_after").loc["normal_approximation"]
    assert check["status"] == "warn" and "difference_in_differences has no correction" in check["message"]


def test_a_rate_with_few_events_has_the_limits_of_its_own_test(built, programme):
    control, treatment = units(programme, "holdout", "rare")
    row = built.result("holdout", "rare")
    assert row["estimator"] == "difference"
    want = miettinen_nurminen_interval(control.sum(), control.size, treatment.sum(), treatment.size)
    assert row["effect_ci_low"] == pytest.approx(float(want.ci_low), rel=1e-9)
    assert row["effect_ci_high"] == pytest.approx(float(want.ci_high), rel=1e-9)
    assert row["lift_method"] == "score"


def test_unequal_markets_have_the_degrees_of_freedom_of_their_quadratic_form(built):
    """CR2 of two arms of the same sizes as a quadratic form in cluster means that vary alike."""
    sizes = np.array([3, 5, 8, 12, 20, 33, 60, 140])
    share = sizes / sizes.sum()
    residual = share[:, None] * (np.eye(8) - share)
    form = residual.T @ np.diag(1 / (1 - share)) @ residual
    df = 2 * np.trace(form) ** 2 / np.sum(form * form.T)
    row = built.result("markets", "trips")
    assert row["estimator"] == "cluster_cuped_corrected"
    assert row["df"] == pytest.approx(df, rel=1e-9)
    rows = estimates(built, "markets", "trips")
    assert rows.loc["cluster", "df"] > 1.3 * df
    assert rows.loc["cluster_cuped", "effect_se"] == pytest.approx(row["effect_se"], rel=1e-12)
    assert rows.loc["cluster_corrected", "p_value"] == pytest.approx(row["p_value_unadjusted"], rel=1e-12)
    assert "adjusted for the pre-period" in built.decision("markets")["reason"]


def test_rates_of_clusters_with_a_handful_of_events_are_left_to_randomization(built):
    row = built.result("markets", "seldom")
    assert (row["status"], row["estimator"]) == ("too_few_events", "cluster")
    assert pd.isna(row["p_value"])
    assert estimates(built, "markets", "seldom").loc["randomization", "status"] == "ok"


def test_the_daily_chart_follows_the_corrected_estimate(built):
    daily = built.table("experiment_results_daily").query("exp_id == 'holdout' and metric_id == 'spend'")
    last = daily.sort_values("look_date").iloc[-1]
    row = built.result("holdout", "spend")
    assert last["estimator"] == "difference_corrected"
    assert last["effect_ci_high"] == row["effect_ci_high"]
    # What may be read every day leans to the same side.
    above, below = last["always_valid_ci_high"] - last["effect"], last["effect"] - last["always_valid_ci_low"]
    assert above > 1.05 * below
