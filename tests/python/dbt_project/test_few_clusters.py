"""Experiments on few clusters, from input tables to marts: against matrices, regressions and enumerations of units."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.regression.linear_model import WLS

ESTIMATORS = ["cr3", "randomization", "wild_bootstrap"]


def markets(rng, clusters, effect=0.0, sizes=None):
    """Units of markets of unequal size: a mean, a rate and a ratio, each with a past that knows the market."""
    sizes = np.maximum(rng.lognormal(3, 0.7, clusters).astype(int), 3) if sizes is None else np.asarray(sizes)
    market = np.repeat(np.arange(clusters), sizes)
    level = rng.normal(0, 1, clusters)[market]
    taste = level + rng.normal(0, 1, market.size)
    views, seen = (rng.poisson(3 * np.exp(0.4 * level)) for _ in range(2))
    return market, {
        "trips": np.round(20 + 3 * taste + effect + rng.normal(0, 2, market.size), 2),
        "pre trips": np.round(20 + 3 * taste, 2),
        "signup": (rng.random(market.size) < 0.3 + 0.05 * np.tanh(level)).astype(float),
        "views": views,
        "pre views": seen,
        "clicks": rng.binomial(views, np.clip(0.3 + 0.08 * level + 0.02 * effect, 0.02, 0.9)),
        "pre clicks": rng.binomial(seen, np.clip(0.3 + 0.08 * level, 0.02, 0.9)),
    }


@pytest.fixture(scope="module")
def programme(write_experiment, stack):
    rng = np.random.default_rng(20240601)
    designs = {
        "markets": {"control": markets(rng, 7), "treatment": markets(rng, 5, 1.5)},
        "two_treatments": {"control": markets(rng, 9), "a": markets(rng, 9), "b": markets(rng, 10, 2.0)},
        "lopsided": {"control": markets(rng, 5), "treatment": markets(rng, 5, sizes=[160, 9, 12, 7, 15])},
        "single": {"control": markets(rng, 5), "treatment": markets(rng, 1)},
        "flat": {"control": markets(rng, 5), "treatment": markets(rng, 5)},
        "lone": {"control": markets(rng, 5), "treatment": markets(rng, 5)},
        "households": {"control": markets(rng, 104, sizes=[2] * 104), "treatment": markets(rng, 104, sizes=[2] * 104)},
    }
    for market, units in designs["flat"].values():
        units["trips"], units["pre trips"] = np.full(market.size, 0.1), np.zeros(market.size)
    market, units = designs["lone"]["treatment"]
    for kpi in ("views", "pre views", "clicks", "pre clicks"):
        units[kpi] = np.where(market == 2, units[kpi] + (kpi in ("views", "pre views")), 0)
    tables = [
        write_experiment(
            exp_id, {variant: units for variant, (_, units) in arms.items()}, primary="trips", assigned_days=4,
            clusters={v: [f"{v}-{m}" for m in market] for v, (market, _) in arms.items()}, end=None,
        )
        for exp_id, arms in designs.items()
    ]  # fmt: skip
    words = {"trips": None, "signup": None, "click_rate": None, "trips_raw": "unadjusted", "click_rate_raw": "cluster",
             "trips_randomized": "randomization", "trips_resampled": "wild_bootstrap", "clicks_cr3": "cr3"}  # fmt: skip
    plan = pd.DataFrame(
        [
            (exp_id, metric_id, "primary" if metric_id == "trips" else "secondary", word)
            for exp_id in designs
            for metric_id, word in words.items()
        ],
        columns=["exp_id", "metric_id", "role", "estimator"],
    ).astype({"estimator": "string"})
    metric = pd.DataFrame(
        [
            ("click_rate", "ratio", "clicks", "views"),
            ("click_rate_raw", "ratio", "clicks", "views"),
            ("trips_raw", "mean", "trips", None),
            ("trips_randomized", "mean", "trips", None),
            ("trips_resampled", "mean", "trips", None),
            ("clicks_cr3", "ratio", "clicks", "views"),
        ],
        columns=["metric_id", "metric_type", "numerator_kpi", "denominator_kpi"],
    ).assign(window_start_day=0, window_end_day=14, aggregation="sum")
    # A row after everything sets as_of, so that all units are mature.
    late = tables[0]["kpi_outcome"].query("kpi_name == 'trips'").head(1)
    late = late.assign(metric_date=pd.Timestamp("2024-03-01").date())
    return stack(*tables, {"kpi_outcome": late, "metric": metric, "experiment_metric": plan}), designs


@pytest.fixture(scope="module")
def built(shared_project, programme):
    outcome = shared_project.load(**programme[0]).run("--select", "+metric_estimate", "+experiment_results")
    assert outcome.success, outcome.error
    return shared_project


@pytest.fixture(scope="module")
def rows(built):
    return built.table("metric_estimate").set_index(["exp_id", "metric_id", "variant_id", "estimator"]).sort_index()


def units_of(programme, exp_id, treatment="treatment"):
    """Return both arms' units in one frame, clusters numbered apart."""
    arms = programme[1][exp_id]
    frames = [
        pd.DataFrame(arms[variant][1]).assign(market=arms[variant][0] + 1000 * treated, treated=treated)
        for treated, variant in enumerate(("control", treatment))
    ]
    return pd.concat(frames, ignore_index=True)


def slope(y, x):
    both = np.cov(y, x)
    return both[0, 1] / both[1, 1]


def regression(units, metric_id, *, adjusted):
    """Return outcome, weight, cluster and arm of the weighted regression that the estimator of a metric is."""
    arm, market = units["treated"].to_numpy(), units["market"].to_numpy()
    if not metric_id.startswith("click"):
        kpi = metric_id.split("_")[0]
        y = units[kpi].to_numpy(dtype=float)
        x = units.get(f"pre {kpi}", pd.Series(0.0, units.index)).to_numpy(dtype=float)
        return y - (slope(y, x) * (x - x.mean()) if adjusted else 0), np.ones(len(units)), market, arm
    y, d, x, b = (units[kpi].to_numpy(dtype=float) for kpi in ("clicks", "views", "pre clicks", "pre views"))
    theta = slope((y - y.sum() / d.sum() * d) / d.mean(), (x - x.sum() / b.sum() * b) / b.mean()) if adjusted else 0.0
    value = np.zeros(len(units))
    for mine in (arm == 0, arm == 1):
        before = x[mine].sum() / b[mine].sum()
        residual = x[mine] - before * b[mine]
        value[mine] = y[mine] - theta * (d[mine].mean() / b[mine].mean() * residual + before * d[mine])
    # What units without a denominator have belongs to their market: spread over its other units.
    spread = pd.Series(np.where(d > 0, 0, value)).groupby(market).transform("sum")
    per_unit = spread.to_numpy() / pd.Series(d).groupby(market).transform("sum").to_numpy()
    kept = d > 0
    return (value[kept] / d[kept]) + per_unit[kept], d[kept], market[kept], arm[kept]


def dense(y, weight, cluster, treated, power):
    """Effect, standard error and Satterthwaite df from full matrices of units: CR2 (power 1), CR3 (power 2)."""
    root = np.sqrt(weight)
    x = root[:, None] * np.column_stack([1 - treated, treated])
    bread = np.linalg.inv(x.T @ x)
    beta = bread @ x.T @ (root * y)
    annihilator = np.eye(y.size) - x @ bread @ x.T
    residual, contrast = root * y - x @ beta, x @ bread @ np.array([-1.0, 1.0])
    variance, vectors = 0.0, []
    for number in np.unique(cluster):
        own = cluster == number
        values, basis = np.linalg.eigh(annihilator[np.ix_(own, own)])
        scaled = basis @ (values ** (-power / 2) * (basis.T @ contrast[own]))
        variance += (scaled @ residual[own]) ** 2
        vectors.append(annihilator[:, own] @ scaled)
    form = np.array(vectors) @ np.array(vectors).T
    return beta[1] - beta[0], np.sqrt(variance), np.trace(form) ** 2 / np.sum(form**2)


CASES = [
    ("markets", "trips", "cluster_cuped"),
    ("markets", "trips", "cluster"),
    ("markets", "signup", "cluster"),
    ("markets", "click_rate", "cluster"),
    ("markets", "click_rate", "cluster_cuped"),
    ("lopsided", "trips_raw", "cluster"),
    ("lopsided", "click_rate_raw", "cluster"),
    ("markets", "trips", "cr3"),
    ("markets", "signup", "cr3"),
    ("markets", "click_rate", "cr3"),
    ("markets", "click_rate_raw", "cr3"),
    ("lopsided", "trips_raw", "cr3"),
]


@pytest.mark.parametrize(("exp_id", "metric_id", "estimator"), CASES)
def test_cluster_robust_rows_are_those_of_matrices_of_units(rows, programme, exp_id, metric_id, estimator):
    row = rows.loc[exp_id, metric_id, "treatment", estimator]
    adjusted = estimator == "cluster_cuped" or (estimator == "cr3" and metric_id in ("trips", "click_rate"))
    regressed = regression(units_of(programme, exp_id), metric_id, adjusted=adjusted)
    effect, se, df = dense(*regressed, power=2 if estimator == "cr3" else 1)
    assert row["status"] == "ok"
    assert row["effect"] == pytest.approx(effect, rel=1e-9)
    assert row["effect_se"] == pytest.approx(se, rel=1e-9)
    assert row["df"] == pytest.approx(df, rel=1e-8)
    assert row["p_value"] == pytest.approx(2 * stats.t.sf(abs(effect / se), df), rel=1e-7)


@pytest.mark.parametrize("metric_id", ["trips", "trips_raw", "signup", "click_rate", "click_rate_raw"])
def test_the_bootstrap_has_the_regression_s_cluster_error(rows, programme, metric_id):
    row = rows.loc["markets", metric_id, "treatment", "wild_bootstrap"]
    units = units_of(programme, "markets")
    y, weight, market, arm = regression(units, metric_id, adjusted=metric_id in ("trips", "click_rate"))
    fit = WLS(y, np.column_stack([np.ones(y.size), arm]), weights=weight).fit(
        cov_type="cluster", cov_kwds={"groups": market}, use_t=True
    )
    # The regression leaves out units without a denominator, whose number is in the factor (N - 1) / (N - 2).
    factor = (len(units) - 1) / (len(units) - 2) / ((y.size - 1) / (y.size - 2))
    assert row["effect"] == pytest.approx(fit.params[1], rel=1e-9)
    assert row["effect_se"] == pytest.approx(fit.bse[1] * np.sqrt(factor), rel=1e-9)
    assert 0 < row["p_value"] <= 1
    assert row["effect_ci_low"] < row["effect"] < row["effect_ci_high"]


@pytest.mark.parametrize("metric_id", ["trips", "trips_raw", "signup", "click_rate", "click_rate_raw"])
def test_randomization_enumerates_the_markets(rows, programme, metric_id):
    row = rows.loc["markets", metric_id, "treatment", "randomization"]
    units = units_of(programme, "markets")
    kpi = "clicks" if metric_id.startswith("click") else metric_id.split("_")[0]
    bases = ("views", "pre views") if kpi == "clicks" else (None, None)
    covariate = units[f"pre {kpi}"] if metric_id in ("trips", "click_rate") else pd.Series(0.0, units.index)
    pairs = [
        (column.to_numpy(dtype=float), units[base].to_numpy(dtype=float) if base else np.ones(len(units)))
        for column, base in zip((units[kpi], covariate), bases, strict=True)
    ]
    lines = [(above - above.sum() / below.sum() * below) / below.mean() for above, below in pairs]
    theta = slope(*lines) if lines[1].any() else 0.0
    total = [pd.Series(c).groupby(units["market"]).sum() for pair in pairs for c in pair]

    def statistic(chosen):
        mine = total[0].index.isin(chosen)
        gaps = [a[mine].sum() / b[mine].sum() - a[~mine].sum() / b[~mine].sum() for a, b in (total[:2], total[2:])]
        return gaps[0] - theta * gaps[1]

    drawn = np.array([statistic(chosen) for chosen in combinations(total[0].index, 5)])
    observed = statistic([market for market in total[0].index if market >= 1000])
    assert row["effect"] == pytest.approx(observed, rel=1e-9)
    assert row["p_value"] == pytest.approx(np.mean(np.abs(drawn) >= abs(observed) - 1e-10), rel=1e-9)
    assert (row["effect_ci_low"] <= 0 <= row["effect_ci_high"]) == (row["p_value"] > 0.05)
    assert np.isnan(row["effect_se"])


def test_the_plan_chooses_the_headline(built, rows):
    results = built.table("experiment_results").query("exp_id == 'markets'").set_index("metric_id")
    assert results["estimator"].to_dict() == {
        "trips": "cluster_cuped", "signup": "cluster", "click_rate": "cluster_cuped", "trips_raw": "cluster",
        "click_rate_raw": "cluster", "trips_randomized": "randomization", "trips_resampled": "wild_bootstrap",
        "clicks_cr3": "cr3",
    }  # fmt: skip
    assert set(results["status"]) == {"ok"}
    for metric_id, estimator in (("trips_randomized", "randomization"), ("trips_resampled", "wild_bootstrap")):
        same = rows.loc["markets", metric_id, "treatment", estimator]
        assert results.loc[metric_id, "p_value"] == same["p_value"]
        # The headline of a resampled test is adjusted by the pre-period like the one that it replaces.
        assert same["effect"] == pytest.approx(rows.loc["markets", "trips", "treatment", "cluster_cuped"]["effect"])


def test_every_comparison_of_few_clusters_has_each_row_once(built):
    table = built.table("metric_estimate")
    few = table[table["estimator"].isin(ESTIMATORS) & table["exp_id"].isin(["markets", "two_treatments", "lopsided"])]
    counts = few.groupby(["exp_id", "metric_id", "variant_id"])["estimator"].apply(sorted)
    assert len(counts) == 8 * 4
    assert all(names == ESTIMATORS for names in counts)


def test_each_treatment_is_compared_with_the_same_control(rows, programme):
    for variant in ("a", "b"):
        units = units_of(programme, "two_treatments", variant)
        effect, se, df = dense(*regression(units, "trips", adjusted=True), power=2)
        row = rows.loc["two_treatments", "trips", variant, "cr3"]
        assert (row["clusters_control"], row["clusters_treatment"]) == (9, 9 if variant == "a" else 10)
        assert (row["effect"], row["effect_se"], row["df"]) == pytest.approx((effect, se, df), rel=1e-8)


def test_trap_clustered_data_analysed_as_rows(rows, programme):
    units = units_of(programme, "markets")
    arms = [units.loc[units["treated"] == arm, "trips"] for arm in (0, 1)]
    row_level = np.sqrt(sum(values.var(ddof=1) / len(values) for values in arms))
    mine = rows.loc["markets", "trips_raw", "treatment"]
    assert (mine.loc[["cluster", "cr3", "wild_bootstrap"], "effect_se"] > 2 * row_level).all()
    assert not {"difference", "cuped", "ratio", "ratio_cuped"} & set(rows.loc["markets"].index.get_level_values(2))


def test_trap_a_normal_reference_with_ten_clusters(rows):
    mine = rows.loc["lopsided", "trips_raw", "treatment"].loc[["cluster", "cr3"]]
    assert (mine["df"] < 8).all()
    normal = 2 * stats.norm.sf(np.abs(mine["statistic"].to_numpy(dtype=float)))
    assert (mine["p_value"].to_numpy(dtype=float) > normal).all()


def test_trap_one_cluster_per_arm_is_too_few(built):
    results = built.table("experiment_results").query("exp_id == 'single'")
    assert set(results["status"]) == {"too_few_clusters"}
    assert results["p_value"].isna().all() and results["effect_se"].isna().all()
    assert built.table("metric_estimate").query("exp_id == 'single'")["p_value"].isna().all()


def test_trap_a_constant_metric_has_no_test(built):
    estimates = built.table("metric_estimate").query("exp_id == 'flat' and metric_id == 'trips'")
    assert set(estimates["estimator"]) >= {"cluster", *ESTIMATORS}
    assert set(estimates["status"]) == {"zero_variance"}
    assert estimates[["p_value", "effect_se", "effect_ci_low"]].isna().all(axis=None)
    assert estimates["effect"].to_numpy(dtype=float) == pytest.approx(0.0, abs=1e-12)


def test_trap_all_of_a_denominator_in_one_cluster_is_too_few_clusters(rows):
    mine = rows.loc["lone", "click_rate_raw", "treatment"]
    for estimator in ("cr3", "wild_bootstrap"):
        assert mine.loc[estimator, "status"] == "too_few_clusters"
    assert mine.loc[["cluster", "cr3", "wild_bootstrap"], ["p_value", "effect_se"]].isna().all(axis=None)
    assert np.isfinite(mine["effect"].astype(float)).all()


def test_many_clusters_are_not_handed_over(built, rows):
    names = set(rows.loc["households", "trips"].index.get_level_values("estimator"))
    assert names >= {"cluster", "cluster_cuped"} and not names & set(ESTIMATORS)
    # A plan that asks for what it cannot have says so.
    assert built.result("households", "trips_randomized")["status"] == "estimator_unavailable"
    totals = built.internal("few_cluster_total")
    assert totals.groupby("plan_key").size().max() == 28
    assert len(totals) == 8 * (12 + 28 + 10 + 6 + 10 + 10)
