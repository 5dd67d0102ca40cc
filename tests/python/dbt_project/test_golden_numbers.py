"""The marts against independent libraries.

Every expected number is computed here from the raw rows, by scipy, statsmodels or dense matrices, never from our own
output.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportions_ztest

WINDOW = 14


def lognormal(rng, size, mean, sigma=1.0, active=0.4):
    return np.where(rng.random(size) < active, np.round(rng.lognormal(mean, sigma, size), 2), 0.0)


@pytest.fixture(scope="module")
def programme(write_experiment, stack):
    """Experiments that look like real ones: unequal arms, mostly zeros, heavy tails, correlated pre-periods."""
    rng = np.random.default_rng(20240101)
    arms = {}
    for variant, size, uplift in (("control", 1_840, 0.0), ("treatment", 2_075, 0.12)):
        taste = rng.gamma(2.0, 1.0, size)
        views = rng.poisson(6 * taste)
        arms[variant] = {
            "spend": lognormal(rng, size, 2.5 + uplift, 1.2),
            "signup": (rng.random(size) < 0.21 + 0.02 * uplift).astype(float),
            "views": views,
            "clicks": rng.binomial(views, 0.11 + 0.05 * uplift),
            "minutes": np.round(9 * taste + rng.exponential(4, size) + 3 * uplift, 1) * (rng.random(size) < 0.9),
            "pre minutes": np.round(9 * taste + rng.exponential(4, size), 1) * (rng.random(size) < 0.8),
        }
    two_arms = write_experiment(
        "two_arms", arms, primary="spend", assigned_days=5, traffic={"control": 47, "treatment": 53}
    )

    several = {}
    for variant, size, uplift in (("control", 900, 0), ("a", 870, 0.02), ("b", 640, 0.06), ("c", 655, 0.05)):
        several[variant] = {
            "orders": rng.poisson(1.3 + 2 * uplift, size),
            "visits": rng.poisson(5 + uplift, size),
            "searches": rng.poisson(3 + 3 * uplift, size),
            "errors": rng.poisson(0.4 + uplift, size),
            "latency": np.round(rng.gamma(3 + uplift, 100, size), 1),
        }
    four_arms = write_experiment(
        "four_arms", several, traffic={"control": 0.3, "a": 0.3, "b": 0.2, "c": 0.2}, assigned_days=3
    )

    clusters, clustered = {}, {}
    for variant, n_clusters in (("control", 9), ("treatment", 11)):
        sizes = rng.integers(4, 60, n_clusters)
        names = np.repeat([f"{variant}-market-{i}" for i in range(n_clusters)], sizes)
        level = np.repeat(rng.normal(20, 4, n_clusters), sizes)
        base = level + rng.normal(0, 6, sizes.sum())
        clusters[variant] = list(names)
        clustered[variant] = {
            "trips": np.round(base + (1.5 if variant == "treatment" else 0) + rng.normal(0, 3, sizes.sum()), 2),
            "pre trips": np.round(base, 2),
        }
    markets = write_experiment("markets", clustered, clusters=clusters, assigned_days=4)

    plan = pd.DataFrame(
        [
            ("two_arms", "spend", "primary", "difference"),
            ("two_arms", "signup", "secondary", None),
            ("two_arms", "click_rate", "secondary", None),
            ("two_arms", "minutes", "secondary", "cuped"),
            ("two_arms", "spend_capped", "secondary", "difference"),
            ("two_arms", "spend_p95_active", "exploratory", "difference"),
            ("two_arms", "big_spender", "exploratory", None),
            ("two_arms", "spender_exact", "guardrail", "exact"),
            ("four_arms", "orders", "primary", None),
            ("four_arms", "visits", "secondary", None),
            ("four_arms", "searches", "secondary", None),
            ("four_arms", "errors", "guardrail", None),
            ("four_arms", "latency", "guardrail", None),
            ("markets", "trips", "primary", None),
        ],
        columns=["exp_id", "metric_id", "role", "estimator"],
    )
    metric = pd.DataFrame(
        [
            ("click_rate", "ratio", "clicks", "views", None, None, None),
            ("spend_capped", "mean", "spend", None, 0.98, "percentile", None),
            ("spend_p95_active", "mean", "spend", None, 0.95, "percentile_nonzero", None),
            ("big_spender", "proportion", "spend", None, None, None, 30.0),
            ("spender_exact", "proportion", "spend", None, None, None, 30.0),
        ],
        columns=["metric_id", "metric_type", "numerator_kpi", "denominator_kpi", "cap_upper", "cap_kind", "threshold"],
    ).assign(window_start_day=0, window_end_day=WINDOW, aggregation="sum")
    plan["estimator"] = plan["estimator"].astype("string")
    plan["benchmark"] = np.where(plan["metric_id"] == "signup", 0.2, np.nan)
    late = pd.DataFrame(
        {
            # A row after everything: as_of is set by it, so that all units are mature.
            "exp_id": ["markets"],
            "unit_id": ["markets-control-0"],
            "metric_date": [pd.Timestamp("2024-03-01").date()],
            "kpi_name": ["trips"],
            "kpi_value": [5.0],
        }
    )
    tables = stack(two_arms, four_arms, markets, {"kpi_outcome": late, "metric": metric, "experiment_metric": plan})
    return tables, {"two_arms": arms, "four_arms": several, "markets": clustered}, clusters


@pytest.fixture(scope="module")
def built(shared_project, programme):
    outcome = shared_project.load(**programme[0]).build("--exclude-resource-type", "unit_test")
    assert outcome.success, outcome.error
    return shared_project


def arm_values(programme, exp_id, kpi, variant="treatment"):
    arms = programme[1][exp_id]
    return np.asarray(arms["control"][kpi], float), np.asarray(arms[variant][kpi], float)


def check_welch(row, control, treatment, suffix=""):
    test = stats.ttest_ind(treatment, control, equal_var=False)
    interval = test.confidence_interval(0.95)
    assert row["statistic"] == pytest.approx(test.statistic, rel=1e-10)
    assert row["df"] == pytest.approx(test.df, rel=1e-10)
    assert row["p_value"] == pytest.approx(test.pvalue, rel=1e-9)
    assert row["effect"] == pytest.approx(treatment.mean() - control.mean(), rel=1e-10)
    assert row["effect_ci_low"] == pytest.approx(interval.low, rel=1e-9)
    assert row["effect_ci_high"] == pytest.approx(interval.high, rel=1e-9)


def check_lift(row, control, treatment):
    """The log-delta interval of the lift, from the two means and their standard errors."""
    means = control.mean(), treatment.mean()
    se = np.hypot(stats.sem(control) / means[0], stats.sem(treatment) / means[1])
    half = stats.t.ppf(0.975, row["df"]) * se
    assert row["lift"] == pytest.approx(means[1] / means[0] - 1, rel=1e-10)
    assert row["lift_ci_low"] == pytest.approx(means[1] / means[0] * np.exp(-half) - 1, rel=1e-8)
    assert row["lift_ci_high"] == pytest.approx(means[1] / means[0] * np.exp(half) - 1, rel=1e-8)


def test_means_are_welch(built, programme):
    control, treatment = arm_values(programme, "two_arms", "spend")
    row = built.result("two_arms", "spend")
    assert row["metric_type"] == "mean" and row["estimator"] == "difference" and row["status"] == "ok"
    assert (row["n_control"], row["n_treatment"]) == (len(control), len(treatment))
    assert row["mean_control"] == pytest.approx(control.mean(), rel=1e-12)
    assert row["mean_treatment"] == pytest.approx(treatment.mean(), rel=1e-12)
    check_welch(row, control, treatment)
    check_lift(row, control, treatment)


def test_rates_are_pooled_z_with_unpooled_interval(built, programme):
    for metric_id, (control, treatment) in {
        "signup": arm_values(programme, "two_arms", "signup"),
        "big_spender": tuple((a >= 30).astype(float) for a in arm_values(programme, "two_arms", "spend")),
    }.items():
        row = built.result("two_arms", metric_id)
        z, p = proportions_ztest([treatment.sum(), control.sum()], [len(treatment), len(control)])
        assert row["metric_type"] == "proportion"
        assert row["statistic"] == pytest.approx(z, rel=1e-10)
        assert row["p_value"] == pytest.approx(p, rel=1e-9)
        effect = treatment.mean() - control.mean()
        half = stats.norm.ppf(0.975) * np.sqrt(sum(a.mean() * (1 - a.mean()) / len(a) for a in (control, treatment)))
        assert row["effect"] == pytest.approx(effect, rel=1e-10)
        assert row["effect_ci_low"] == pytest.approx(effect - half, rel=1e-9)
        assert row["effect_ci_high"] == pytest.approx(effect + half, rel=1e-9)


def test_ratios_are_delta_method(built, programme):
    clicks, views = (arm_values(programme, "two_arms", kpi) for kpi in ("clicks", "views"))
    ratio = [c.sum() / v.sum() for c, v in zip(clicks, views, strict=True)]
    # The delta method: a ratio varies as the residuals of clicks given views do, per mean view.
    variance = [np.var((c - r * v) / v.mean(), ddof=1) / len(c) for c, v, r in zip(clicks, views, ratio, strict=True)]
    se = np.sqrt(sum(variance))
    row = built.result("two_arms", "click_rate")
    assert row["estimator"] == "ratio"
    assert row["mean_control"] == pytest.approx(ratio[0], rel=1e-12)
    assert row["mean_treatment"] == pytest.approx(ratio[1], rel=1e-12)
    assert row["effect_se"] == pytest.approx(se, rel=1e-10)
    assert row["statistic"] == pytest.approx((ratio[1] - ratio[0]) / se, rel=1e-9)
    df = sum(variance) ** 2 / sum(v**2 / (len(c) - 1) for v, c in zip(variance, clicks, strict=True))
    assert row["df"] == pytest.approx(df, rel=1e-8)
    assert row["p_value"] == pytest.approx(2 * stats.t.sf(abs(ratio[1] - ratio[0]) / se, df), rel=1e-8)


def test_planned_exact_rates_are_fishers(built, programme):
    control, treatment = ((a >= 30).astype(int) for a in arm_values(programme, "two_arms", "spend"))
    row = built.result("two_arms", "spender_exact")
    table = [[treatment.sum(), len(treatment) - treatment.sum()], [control.sum(), len(control) - control.sum()]]
    assert row["estimator"] == "exact" and row["status"] == "ok"
    assert row["p_value"] == pytest.approx(stats.fisher_exact(table).pvalue, rel=1e-9)
    assert row["effect_ci_low"] < treatment.mean() - control.mean() < row["effect_ci_high"]


def test_a_benchmark_is_the_one_sample_z_test_with_the_nulls_variance(built, programme):
    _, treatment = arm_values(programme, "two_arms", "signup")
    estimates = built.table("metric_estimate").query("exp_id == 'two_arms' and metric_id == 'signup'")
    row = estimates.set_index("estimator").loc["benchmark"]
    z, p = proportions_ztest(treatment.sum(), len(treatment), 0.2, prop_var=0.2)
    assert row["statistic"] == pytest.approx(z, rel=1e-9) and row["p_value"] == pytest.approx(p, rel=1e-8)
    assert row["effect"] == pytest.approx(treatment.mean() - 0.2) and not row["is_headline"]


def test_cuped_is_welch_on_the_transformed_outcome(built, programme):
    outcome = arm_values(programme, "two_arms", "minutes")
    covariate = arm_values(programme, "two_arms", "pre minutes")
    both = np.cov(np.concatenate(outcome), np.concatenate(covariate))
    theta = both[0, 1] / both[1, 1]
    centre = np.concatenate(covariate).mean()
    control, treatment = (y - theta * (x - centre) for y, x in zip(outcome, covariate, strict=True))
    row = built.result("two_arms", "minutes")
    assert row["estimator"] == "cuped"
    check_welch(row, control, treatment)
    assert row["mean_control"] == pytest.approx(outcome[0].mean(), rel=1e-12)
    assert row["lift"] == pytest.approx((treatment.mean() - control.mean()) / outcome[0].mean(), rel=1e-10)

    raw = stats.ttest_ind(outcome[1], outcome[0], equal_var=False)
    assert row["p_value_unadjusted"] == pytest.approx(raw.pvalue, rel=1e-9)
    assert row["effect_unadjusted"] == pytest.approx(outcome[1].mean() - outcome[0].mean(), rel=1e-10)
    se = [np.sqrt(sum(a.var(ddof=1) / len(a) for a in pair)) for pair in ((control, treatment), outcome)]
    assert row["effect_unadjusted_se"] == pytest.approx(se[1], rel=1e-10)
    assert row["variance_reduction"] == pytest.approx(1 - (se[0] / se[1]) ** 2, rel=1e-9)
    assert 0.25 < row["variance_reduction"] < 0.95

    both_estimates = built.table("metric_estimate").query("exp_id == 'two_arms' and metric_id == 'minutes'")
    shown = both_estimates.set_index("estimator")["is_headline"].to_dict()
    assert shown == {"difference": False, "cuped": True, "bayes": False}


@pytest.mark.parametrize(
    ("metric_id", "quantile", "active"), [("spend_capped", 0.98, False), ("spend_p95_active", 0.95, True)]
)
def test_caps_are_pooled_percentiles(built, programme, metric_id, quantile, active):
    control, treatment = arm_values(programme, "two_arms", "spend")
    pooled = np.concatenate([control, treatment])
    threshold = np.quantile(pooled[pooled != 0] if active else pooled, quantile)
    row = built.result("two_arms", metric_id)
    assert (row["n_control"], row["n_treatment"]) == (len(control), len(treatment))
    assert row["mean_control"] == pytest.approx(np.minimum(control, threshold).mean(), rel=1e-12)
    check_welch(row, np.minimum(control, threshold), np.minimum(treatment, threshold))


def dense_cr2(y, x, cluster, contrast):
    """CR2 and its Bell-McCaffrey degrees of freedom as they are defined, with n x n matrices."""
    bread = np.linalg.inv(x.T @ x)
    hat = x @ bread @ x.T
    residual = y - hat @ y
    meat, g = np.zeros((2, 2)), []
    for name in pd.unique(cluster):
        rows = np.flatnonzero(cluster == name)
        values, vectors = np.linalg.eigh(np.eye(len(rows)) - hat[np.ix_(rows, rows)])
        adjust = vectors @ np.diag(1 / np.sqrt(values)) @ vectors.T
        score = x[rows].T @ adjust @ residual[rows]
        meat += np.outer(score, score)
        g.append((np.eye(len(y)) - hat)[rows].T @ adjust @ x[rows] @ bread @ contrast)
    g = np.array(g).T
    squares = np.linalg.eigvalsh(g.T @ g)
    return np.sqrt(contrast @ bread @ meat @ bread @ contrast), squares.sum() ** 2 / (squares**2).sum()


@pytest.fixture(scope="module")
def markets(programme):
    y = np.concatenate(arm_values(programme, "markets", "trips"))
    pre = np.concatenate(arm_values(programme, "markets", "pre trips"))
    sizes = [len(a) for a in arm_values(programme, "markets", "trips")]
    x = np.column_stack([np.ones(sum(sizes)), np.repeat([0.0, 1.0], sizes)])
    return y, pre, x, np.array(programme[2]["control"] + programme[2]["treatment"])


def test_clusters_are_cr2_with_bell_mccaffrey(built, markets):
    y, _, x, cluster = markets
    row = built.table("metric_estimate").query("exp_id == 'markets' and estimator == 'cluster'").iloc[0]
    se, df = dense_cr2(y, x, cluster, np.array([0.0, 1.0]))
    assert (row["clusters_control"], row["clusters_treatment"]) == (9, 11)
    assert row["effect_se"] == pytest.approx(se, rel=1e-9)
    assert row["df"] == pytest.approx(df, rel=1e-9)
    effect = y[x[:, 1] == 1].mean() - y[x[:, 1] == 0].mean()
    assert row["p_value"] == pytest.approx(2 * stats.t.sf(abs(effect / se), df), rel=1e-8)
    # CR1 of another library is a different estimator of the same thing; the row-level error is not.
    fit = OLS(y, x)
    cr1 = fit.fit(cov_type="cluster", cov_kwds={"groups": pd.factorize(cluster)[0]}, use_t=True).bse[1]
    assert row["effect"] == pytest.approx(fit.fit().params[1], rel=1e-9)
    assert cr1 == pytest.approx(row["effect_se"], rel=0.1)
    assert row["effect_se"] > 2 * fit.fit(cov_type="HC2").bse[1]


def test_clusters_with_cuped_are_cr2_on_the_transformed_outcome(built, markets):
    y, pre, x, cluster = markets
    both = np.cov(y, pre)
    transformed = y - both[0, 1] / both[1, 1] * (pre - pre.mean())
    se, df = dense_cr2(transformed, x, cluster, np.array([0.0, 1.0]))
    row = built.result("markets", "trips")
    assert row["estimator"] == "cluster_cuped"
    assert row["effect"] == pytest.approx(transformed[x[:, 1] == 1].mean() - transformed[x[:, 1] == 0].mean(), rel=1e-9)
    assert row["effect_se"] == pytest.approx(se, rel=1e-9)
    assert row["df"] == pytest.approx(df, rel=1e-9)


def test_primary_is_holm_over_arms(built, programme):
    rows = built.results("four_arms").loc["orders"]
    assert list(rows.index) == ["a", "b", "c"]
    p = [
        stats.ttest_ind(*arm_values(programme, "four_arms", "orders", v)[::-1], equal_var=False).pvalue
        for v in rows.index
    ]
    reject, adjusted, _, _ = multipletests(p, 0.05, "holm")
    assert rows["p_value"].to_numpy() == pytest.approx(p, rel=1e-9)
    assert rows["p_value_adjusted"].to_numpy() == pytest.approx(adjusted, rel=1e-9)
    assert list(rows["is_significant"]) == list(reject)
    assert set(rows["correction"]) == {"holm"}


def test_secondaries_are_benjamini_hochberg_and_guardrails_bonferroni(built, programme):
    rows = built.results("four_arms")
    for role, kpis, method, name in (
        ("secondary", ["searches", "visits"], "fdr_bh", "benjamini_hochberg"),
        ("guardrail", ["errors", "latency"], "bonferroni", "bonferroni"),
    ):
        mine = rows[rows["role"] == role]
        assert len(mine) == 6
        p = [
            stats.ttest_ind(*arm_values(programme, "four_arms", kpi, v)[::-1], equal_var=False).pvalue
            for kpi, v in mine.index
        ]
        assert {kpi for kpi, _ in mine.index} == set(kpis)
        reject, adjusted, _, _ = multipletests(p, 0.05, method)
        assert mine["p_value_adjusted"].to_numpy() == pytest.approx(adjusted, rel=1e-9)
        assert list(mine["is_significant"]) == list(reject)
        assert set(mine["correction"]) == {name}
        assert mine["correction_family"].nunique() == 1


def test_sample_ratio_is_chi_square_against_the_plan(built, programme):
    for exp_id, shares in {
        "two_arms": {"control": 0.47, "treatment": 0.53},
        "four_arms": {"control": 0.3, "a": 0.3, "b": 0.2, "c": 0.2},
    }.items():
        counts = [len(next(iter(programme[1][exp_id][v].values()))) for v in shares]
        test = stats.chisquare(counts, np.array(list(shares.values())) * sum(counts))
        srm = built.health(exp_id).loc["srm"]
        assert srm["statistic"] == pytest.approx(test.statistic, rel=1e-10)
        assert srm["p_value"] == pytest.approx(test.pvalue, rel=1e-10)
        assert srm["status"] == ("fail" if test.pvalue < 0.001 else "warn" if test.pvalue < 0.01 else "pass")


def test_clusters_are_what_is_counted_where_clusters_were_assigned(built):
    srm = built.health("markets").loc["srm"]
    # 9 against 11 markets, not the units in them.
    assert srm["p_value"] == pytest.approx(stats.chisquare([9, 11]).pvalue, rel=1e-10)


def test_balance_is_welch_on_the_covariate(built, programme):
    control, treatment = arm_values(programme, "two_arms", "pre minutes")
    test = stats.ttest_ind(treatment, control, equal_var=False)
    balance = built.health("two_arms").loc["balance"]
    assert balance["statistic"] == pytest.approx(test.statistic, rel=1e-9)


def test_units_in_several_looks_add_up(built):
    """The last look is the result."""
    daily = built.table("experiment_results_daily")
    last = daily.loc[daily.groupby(["exp_id", "metric_id", "variant_id"])["look_date"].idxmax()]
    keys = ["exp_id", "metric_id", "variant_id"]
    both = last.merge(built.table("experiment_results"), on=keys, suffixes=("", "_final"))
    assert len(both) == len(built.table("experiment_results"))
    for column in ("n_control", "n_treatment", "effect", "effect_se", "p_value", "estimator"):
        pd.testing.assert_series_equal(both[column], both[f"{column}_final"], check_names=False, rtol=1e-9)
    assert daily.groupby(keys)["look_date"].nunique().loc["two_arms"].eq(5).all()
