"""Regression adjustment, post-stratification and differences in differences, from tables to marts.

Expected numbers come from the raw rows by statsmodels, scipy and numpy. One build holds every case as an experiment.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.regression.linear_model import OLS

START = "2024-01-01"
WINDOW = 14
# Units are assigned on five days; the window of those of the last day closes after this.
AS_OF = "2024-01-18"


def is_mature(size):
    return np.arange(size) % 5 <= 3


def shoppers(rng):
    """Write four kpis that share a taste, with their pre-periods, and what is known of the units."""
    arms, attributes, values = {}, [], {}
    for variant, size, uplift in (("control", 900, 0.0), ("treatment", 1_100, 0.3)):
        taste, age = rng.gamma(2.0, 1.0, size), rng.integers(18, 70, size)
        tenure = np.round(rng.exponential(300, size) * taste, 1)
        has_tenure = rng.random(size) < 0.7
        views, past_views = rng.poisson(6 * taste), rng.poisson(5 * taste)
        active, past = rng.random(size) < 0.8, rng.random(size) < 0.7
        arms[variant] = {
            "minutes": np.round(9 * taste * (1 + uplift) + 0.2 * age + rng.exponential(4, size), 1) * active,
            "pre minutes": np.round(9 * taste + rng.exponential(4, size), 1) * past,
            "views": views,
            "pre views": past_views,
            "clicks": rng.binomial(views, 0.11 + 0.05 * uplift),
            "pre clicks": rng.binomial(past_views, 0.12),
            "orders": rng.poisson(0.3 * taste * (1 + uplift)),
            "pre orders": rng.poisson(0.3 * taste),
        }
        country = rng.choice(["SE", "NO", "DK"], size, p=[0.5, 0.3, 0.2])
        values[variant] = {"age": age, "tenure": tenure, "has_tenure": has_tenure, "country": country}
        for name, known, column in (
            ("age", np.ones(size, dtype=bool), age),
            ("tenure", has_tenure, tenure),
            ("country", rng.random(size) < 0.9, country),
            # Numbers and words: not a number.
            ("postcode", np.ones(size, dtype=bool), np.where(age > 30, "12345", "K1A")),
        ):
            if name == "country":
                values[variant]["country"] = np.where(known, column, "(none)")
            attributes.append(
                pd.DataFrame(
                    {
                        "exp_id": "shop",
                        "unit_id": [f"shop-{variant}-{i}" for i in np.flatnonzero(known)],
                        "attribute": name,
                        "value": column[known].astype(str),
                    }
                )
            )
    return arms, values, pd.concat(attributes)


@pytest.fixture(scope="module")
def programme(write_experiment, stack):
    """One experiment per question."""
    rng = np.random.default_rng(20240118)
    arms, known, attributes = shoppers(rng)
    data = {"shop": arms}

    strata, data["strata"] = {}, {}
    names = ["north", "south", "east", "tiny", "lone"]
    shares = {"control": [0.4, 0.3, 0.29, 0.01, 0], "a": [0.4, 0.3, 0.29, 0, 0.01], "b": [0.2, 0.3, 0.49, 0.01, 0]}
    for variant, share in shares.items():
        size = 500 if variant == "control" else 400
        strata[variant] = rng.choice(names, size, p=share)
        level = pd.Series(strata[variant]).map(dict(zip(names, (2.0, 10.0, 30.0, 5.0, 50.0), strict=True))).to_numpy()
        visits = rng.poisson(level / 4 + 1, size)
        data["strata"][variant] = {
            "spend": np.round(level + rng.gamma(1.0, 3.0, size), 2) * (rng.random(size) < 0.7),
            "visits": visits,
            "buys": rng.binomial(visits, 0.2),
        }

    clusters, data["markets"] = {}, {}
    for variant, n_clusters in (("control", 9), ("treatment", 11)):
        sizes = rng.integers(4, 40, n_clusters)
        clusters[variant] = list(np.repeat([f"{variant}-market-{i}" for i in range(n_clusters)], sizes))
        base = np.repeat(rng.normal(20, 4, n_clusters), sizes) + rng.normal(0, 6, sizes.sum())
        data["markets"][variant] = {
            "trips": np.round(base + rng.normal(0, 3, sizes.sum()), 2),
            "pre trips": np.round(base, 2),
        }

    data["exact_digits"] = {}
    for variant, size in (("control", 300), ("treatment", 250)):
        past = rng.integers(0, 40, size) / 100
        data["exact_digits"][variant] = {
            "mass": 1e7 + past + rng.integers(-10, 11, size) / 100,
            "pre mass": 1e7 + past,
        }
    data["perfect"] = {
        variant: {"visits": past + plus, "pre visits": past}
        for variant, past, plus in (("control", rng.poisson(5, 80), 1), ("treatment", rng.poisson(5, 90), 2))
    }
    data["useless"] = {
        variant: {"visits": rng.poisson(5, 1500), "pre visits": rng.poisson(5, 1500)}
        for variant in ("control", "treatment")
    }
    data["triggered"] = {}
    for variant, size, uplift in (("control", 400, 0), ("treatment", 500, 1)):
        taste, exposed = rng.gamma(2.0, 2.0, size), np.arange(size) % 3 > 0
        data["triggered"][variant] = {
            "visits": rng.poisson(taste + uplift * exposed),
            "pre visits": rng.poisson(taste),
            "clicks": rng.poisson(taste),
            "pre clicks": rng.poisson(taste),
        }
    data["few"] = {v: {"visits": rng.poisson(5, 9), "pre visits": rng.poisson(5, 9)} for v in ("control", "treatment")}

    experiments = {
        exp_id: write_experiment(
            exp_id, values, start=START, assigned_days=5 if exp_id in ("shop", "strata") else 1,
            clusters=clusters if exp_id == "markets" else None,
        )
        for exp_id, values in data.items()
    }  # fmt: skip
    labels = np.concatenate([strata[v] for v in shares]).astype(object)
    # A unit without a stratum is in a stratum of its own kind.
    labels[:60] = None
    strata["control"] = np.where(np.arange(500) < 60, "(none)", strata["control"])
    experiments["strata"]["assignment"]["stratum"] = labels

    plan = pd.DataFrame(
        [
            ("shop", "minutes", "primary", "regression"),
            ("shop", "click_rate", "secondary", "regression"),
            ("shop", "buyer", "secondary", "regression"),
            ("shop", "orders", "secondary", "difference_in_differences"),
            ("shop", "view_clicks", "secondary", "difference_in_differences"),
            ("shop", "open_minutes", "exploratory", "difference_in_differences"),
            ("strata", "spend", "primary", "poststratified"),
            ("strata", "buy_rate", "secondary", None),
            ("strata", "spender", "secondary", None),
            ("markets", "trips", "primary", "difference_in_differences"),
            ("markets", "trips_7d", "secondary", "regression"),
            ("exact_digits", "mass", "primary", "regression"),
            ("perfect", "visits", "primary", "regression"),
            ("useless", "visits", "primary", "regression"),
            ("few", "visits", "primary", "regression"),
            ("triggered", "visits", "primary", "regression"),
            ("triggered", "clicks", "secondary", None),
        ],
        columns=["exp_id", "metric_id", "role", "estimator"],
    )  # fmt: skip
    plan["estimator"] = plan["estimator"].astype("string")
    metric = pd.DataFrame(
        [
            ("click_rate", "ratio", "clicks", "views", None, WINDOW, 14),
            ("view_clicks", "ratio", "clicks", "views", None, WINDOW, 7),
            ("buyer", "proportion", "orders", None, 1.0, WINDOW, 14),
            ("orders", "mean", "orders", None, None, WINDOW, 7),
            ("open_minutes", "mean", "minutes", None, None, None, 14),
            ("buy_rate", "ratio", "buys", "visits", None, WINDOW, 14),
            ("spender", "proportion", "spend", None, 1.0, WINDOW, 14),
            ("trips_7d", "mean", "trips", None, None, 7, 14),
        ],
        columns=[
            "metric_id", "metric_type", "numerator_kpi", "denominator_kpi", "threshold", "window_end_day",
            "covariate_days",
        ],
    ).assign(window_start_day=0, aggregation="sum")  # fmt: skip
    units = experiments["triggered"]["assignment"]
    exposed = units["unit_id"].str.rsplit("-", n=1).str[1].astype(int) % 3 > 0
    exposure = units[exposed].assign(exposed_at=units["assigned_at"] + pd.Timedelta(hours=1))
    optional = {
        "metric": metric,
        "experiment_metric": plan,
        "unit_attribute": attributes,
        "exposure": exposure[["exp_id", "unit_id", "exposed_at"]],
    }
    tables = stack(*experiments.values(), optional)
    return tables, data, known, strata, clusters


@pytest.fixture(scope="module")
def built(shared_project, programme):
    outcome = shared_project.load(**programme[0]).build(
        "--exclude-resource-type", "unit_test", as_of=AS_OF, stratify_by="country"
    )
    assert outcome.success, outcome.error
    return shared_project


@pytest.fixture(scope="module")
def estimates(built):
    return built.table("metric_estimate").set_index(["exp_id", "metric_id", "variant_id", "estimator"]).sort_index()


@pytest.fixture(scope="module")
def shop(programme):
    """The mature units of each arm: kpis, attributes, and the covariates in the order of the docs."""
    arms = []
    for variant in ("control", "treatment"):
        columns = programme[1]["shop"][variant] | programme[2][variant]
        mature = is_mature(len(columns["minutes"]))
        arms.append({name: np.asarray(column)[mature] for name, column in columns.items()})
    both = {name: np.concatenate([arm[name] for arm in arms]) for name in ("tenure", "has_tenure")}
    fill = both["tenure"][both["has_tenure"]].mean()
    for arm in arms:
        arm["known tenure"] = np.where(arm["has_tenure"], arm["tenure"], fill)
        arm["pre buyer"] = (arm["pre orders"] >= 1).astype(float)
    return arms


COVARIATES = ["pre minutes", "pre clicks", "pre buyer", "pre orders", "age", "known tenure", "has_tenure"]


def interacted(outcomes, covariates):
    """Least squares with treatment, centred covariates and their interactions."""
    y, x = np.concatenate(outcomes), np.concatenate([np.column_stack(c).astype(float) for c in covariates])
    t = np.repeat([0.0, 1.0], [len(o) for o in outcomes])[:, None]
    x = x - x.mean(axis=0)
    return OLS(y, np.hstack([np.ones_like(t), t, x, t * x]))


def neyman(outcomes, covariates):
    """Residual variance of each arm's own fit, plus the sampling of covariates where slopes differ."""
    arms = [np.column_stack(c).astype(float) for c in covariates]
    both = np.concatenate(arms)
    variance, slopes = 0.0, []
    for y, x in zip(outcomes, arms, strict=True):
        fit = OLS(y, np.column_stack([np.ones(len(y)), x - both.mean(axis=0)])).fit()
        variance += fit.bse[0] ** 2
        slopes.append(fit.params[1:])
    gap = slopes[1] - slopes[0]
    return np.sqrt(variance + gap @ np.atleast_2d(np.cov(both.T)) @ gap / len(both))


def check_regression(row, outcomes, covariates):
    model = interacted(outcomes, covariates)
    assert row["status"] == "ok"
    assert (row["n_control"], row["n_treatment"]) == tuple(len(o) for o in outcomes)
    assert row["effect"] == pytest.approx(model.fit().params[1], rel=1e-8)
    assert row["effect_se"] == pytest.approx(neyman(outcomes, covariates), rel=1e-8)
    # The robust error needs each unit's leverage, which moments do not have; this is how far apart they are here.
    assert row["effect_se"] == pytest.approx(model.fit(cov_type="HC2").bse[1], rel=0.03)


def test_regression_of_a_mean_is_interacted_least_squares(built, shop):
    outcomes = [arm["minutes"] for arm in shop]
    row = built.result("shop", "minutes")
    assert row["estimator"] == "regression"
    check_regression(row, outcomes, [[arm[name] for name in COVARIATES] for arm in shop])
    assert row["mean_control"] == pytest.approx(outcomes[0].mean(), rel=1e-12)
    assert row["lift"] == pytest.approx(row["effect"] / outcomes[0].mean(), rel=1e-10)
    assert row["lift_ci_low"] < row["lift"] < row["lift_ci_high"]
    raw = np.sqrt(sum(y.var(ddof=1) / len(y) for y in outcomes))
    assert row["effect_unadjusted_se"] == pytest.approx(raw, rel=1e-10)
    assert row["variance_reduction"] == pytest.approx(1 - (row["effect_se"] / raw) ** 2, rel=1e-8)


def test_several_covariates_beat_one(estimates):
    rows = estimates.loc["shop", "minutes", "treatment"]
    assert rows.loc["regression", "variance_reduction"] > rows.loc["cuped", "variance_reduction"] > 0.1


def test_regression_of_a_rate_is_that_of_zeros_and_ones(built, shop):
    names = ["pre buyer", "pre clicks", "pre minutes", "pre orders", "age", "known tenure", "has_tenure"]
    row = built.result("shop", "buyer")
    assert row["metric_type"] == "proportion"
    check_regression(
        row, [(arm["orders"] >= 1).astype(float) for arm in shop], [[arm[n] for n in names] for arm in shop]
    )


def test_regression_of_a_ratio_is_that_of_its_linearised_units(built, shop):
    linear = []
    for arm in shop:
        ratio = arm["clicks"].sum() / arm["views"].sum()
        linear.append(ratio + (arm["clicks"] - ratio * arm["views"]) / arm["views"].mean())
    # The tenure, with the column of who has one, would be the eighth and ninth.
    names = ["pre clicks", "pre views", "pre buyer", "pre minutes", "pre orders", "age"]
    check_regression(built.result("shop", "click_rate"), linear, [[arm[n] for n in names] for arm in shop])


def test_covariates_are_chosen_in_the_documented_order(built):
    rows = built.internal("plan_covariate").merge(
        built.internal("experiment_metric")[["plan_key", "exp_id", "metric_id"]], on="plan_key"
    )
    rows = rows.query("exp_id == 'shop'").sort_values("position").groupby("metric_id")["variable"].apply(list)
    others = ["attribute age", "attribute tenure", "attribute_is_known tenure"]
    assert rows["minutes"] == [
        "covariate minutes", "covariate buyer", "covariate click_rate", "covariate orders", "covariate view_clicks",
        *others,
    ]  # fmt: skip
    assert rows["click_rate"][:2] == ["covariate click_rate", "covariate_denominator click_rate"]
    assert rows.map(len).max() == 8
    assert rows["click_rate"][-1] == "attribute age", "an attribute never enters without the column of who has it"


def test_a_mean_of_ten_million_keeps_its_digits(built, programme):
    arms = programme[1]["exact_digits"]
    # The same regression without the offset, which no digit is lost in.
    outcomes = [np.asarray(arms[v]["mass"]) - 1e7 for v in ("control", "treatment")]
    covariates = [[np.asarray(arms[v]["pre mass"]) - 1e7] for v in ("control", "treatment")]
    row = built.result("exact_digits", "mass")
    assert row["effect"] == pytest.approx(interacted(outcomes, covariates).fit().params[1], abs=1e-8)
    assert row["effect_se"] == pytest.approx(neyman(outcomes, covariates), rel=1e-6)


def test_trap_a_perfect_covariate_is_a_status_not_a_tiny_standard_error(built):
    row = built.result("perfect", "visits")
    assert (row["estimator"], row["status"]) == ("regression", "zero_variance")
    assert row["effect"] == pytest.approx(1.0)
    assert pd.isna(row["effect_se"]) and pd.isna(row["p_value"])


def test_trap_a_useless_covariate_does_no_harm(built):
    row = built.result("useless", "visits")
    assert row["effect_se"] == pytest.approx(row["effect_unadjusted_se"], rel=5e-3)
    assert abs(row["variance_reduction"]) < 0.01


def test_too_few_units_for_the_covariates_is_a_status(built):
    row = built.result("few", "visits")
    assert (row["estimator"], row["status"]) == ("regression", "too_few_units")
    assert pd.isna(row["effect"]) and not pd.isna(row["effect_unadjusted"])


def test_clustered_units_are_never_regressed_as_rows(built):
    row = built.result("markets", "trips_7d")
    assert (row["estimator"], row["status"]) == ("regression", "estimator_unavailable")


@pytest.mark.parametrize("population", ["assigned", "exposed"])
def test_regression_in_a_population_uses_its_units_only(built, programme, population):
    outcomes, covariates = [], []
    for kpis in programme[1]["triggered"].values():
        picked = np.arange(len(kpis["visits"])) % 3 > (0 if population == "exposed" else -1)
        outcomes.append(kpis["visits"][picked].astype(float))
        covariates.append([kpis["pre visits"][picked], kpis["pre clicks"][picked]])
    rows = built.table("experiment_results").query("exp_id == 'triggered' and metric_id == 'visits'")
    check_regression(rows.set_index("population").loc[population], outcomes, covariates)


def within_strata(outcomes, strata):
    """Least squares of every stratum on the treatment with HC2, weighted by the strata's shares."""
    total, effect, variance = sum(len(s) for s in strata), 0.0, 0.0
    for stratum in np.unique(np.concatenate(strata)):
        own = [y[s == stratum] for y, s in zip(outcomes, strata, strict=True)]
        t = np.repeat([0.0, 1.0], [len(y) for y in own])
        fit = OLS(np.concatenate(own), np.column_stack([np.ones_like(t), t])).fit(cov_type="HC2")
        effect += len(t) / total * fit.params[1]
        variance += (len(t) / total * fit.bse[1]) ** 2
    return effect, np.sqrt(variance)


@pytest.mark.parametrize("variant", ["a", "b"])
@pytest.mark.parametrize("metric_id", ["spend", "spender", "buy_rate"])
def test_poststratified_is_least_squares_within_strata(estimates, programme, metric_id, variant):
    outcomes, strata = [], []
    for arm in ("control", variant):
        kpis = programme[1]["strata"][arm]
        mature = is_mature(len(kpis["spend"]))
        strata.append(programme[3][arm][mature])
        outcomes.append({name: np.asarray(values, dtype=float)[mature] for name, values in kpis.items()})
    # What has fewer than five units in an arm is merged, and joined by the smallest stratum if it is still too small.
    counts = pd.DataFrame([pd.Series(s).value_counts() for s in strata]).fillna(0)
    small = list(counts.columns[(counts < 5).any()])
    if small and (counts[small].sum(axis=1) < 5).any():
        small.append(counts.drop(columns=small).sum().idxmin())
    strata = [np.where(np.isin(s, small), "small", s) for s in strata]

    row = estimates.loc["strata", metric_id, variant, "poststratified"]
    if metric_id == "buy_rate":
        total = sum(len(s) for s in strata)
        weight = {s: sum((own == s).sum() for own in strata) / total for s in np.unique(np.concatenate(strata))}
        linear, ratios = [], []
        for arm, labels in zip(outcomes, strata, strict=True):
            means = {k: sum(w * arm[k][labels == s].mean() for s, w in weight.items()) for k in ("buys", "visits")}
            ratios.append(means["buys"] / means["visits"])
            linear.append((arm["buys"] - ratios[-1] * arm["visits"]) / means["visits"])
        effect, se = ratios[1] - ratios[0], within_strata(linear, strata)[1]
    else:
        value = [arm["spend"] if metric_id == "spend" else (arm["spend"] >= 1).astype(float) for arm in outcomes]
        effect, se = within_strata(value, strata)
    assert row["status"] == "ok"
    assert (row["n_control"], row["n_treatment"]) == tuple(len(s) for s in strata)
    assert row["effect"] == pytest.approx(effect, rel=1e-9)
    assert row["effect_se"] == pytest.approx(se, rel=1e-9)
    df = sum(len(s) for s in strata) - 2 * len(np.unique(np.concatenate(strata)))
    assert row["df"] == df
    assert row["p_value"] == pytest.approx(2 * stats.t.sf(abs(effect / se), df), rel=1e-8)
    assert row["is_headline"] == (metric_id == "spend")


def test_strata_come_from_an_attribute_where_the_assignment_has_none(estimates, shop):
    row = estimates.loc["shop", "minutes", "treatment", "poststratified"]
    effect, se = within_strata([arm["minutes"] for arm in shop], [arm["country"] for arm in shop])
    assert row["effect"] == pytest.approx(effect, rel=1e-9)
    assert row["effect_se"] == pytest.approx(se, rel=1e-9)
    assert not row["is_headline"]


def test_without_strata_there_is_no_row(estimates):
    assert "poststratified" not in estimates.loc["perfect", "visits", "treatment"].index


def test_difference_in_differences_is_welch_on_gains_per_day(built, shop):
    # Two weeks against one: the pre-period counts twice.
    gains = [arm["orders"] - 2 * arm["pre orders"] for arm in shop]
    row = built.result("shop", "orders")
    test = stats.ttest_ind(gains[1], gains[0], equal_var=False)
    interval = test.confidence_interval(0.95)
    assert (row["estimator"], row["status"]) == ("difference_in_differences", "ok")
    assert row["effect"] == pytest.approx(gains[1].mean() - gains[0].mean(), rel=1e-10)
    assert row["p_value"] == pytest.approx(test.pvalue, rel=1e-8)
    assert row["effect_ci_low"] == pytest.approx(interval.low, rel=1e-8)
    assert row["effect_unadjusted"] == pytest.approx(shop[1]["orders"].mean() - shop[0]["orders"].mean(), rel=1e-10)


def test_difference_in_differences_of_a_ratio_needs_no_days(built, shop):
    gains = []
    for arm in shop:
        now, past = (arm[f"{p}clicks"].sum() / arm[f"{p}views"].sum() for p in ("", "pre "))
        linear = (arm["clicks"] - now * arm["views"]) / arm["views"].mean()
        linear = linear - (arm["pre clicks"] - past * arm["pre views"]) / arm["pre views"].mean()
        gains.append((now - past, linear.var(ddof=1) / len(linear)))
    row = built.result("shop", "view_clicks")
    assert row["effect"] == pytest.approx(gains[1][0] - gains[0][0], rel=1e-9)
    assert row["effect_se"] == pytest.approx(np.sqrt(gains[0][1] + gains[1][1]), rel=1e-9)


def test_an_open_window_has_no_difference_in_differences(built):
    row = built.result("shop", "open_minutes")
    assert (row["estimator"], row["status"]) == ("difference_in_differences", "estimator_unavailable")


def test_difference_in_differences_of_clusters_is_cr2_on_gains(built, estimates, programme):
    effects, variance = [], 0.0
    for variant in ("control", "treatment"):
        arm, names = programme[1]["markets"][variant], np.array(programme[4][variant])
        gain = arm["trips"] - arm["pre trips"]
        effects.append(gain.mean())
        for name in np.unique(names):
            own, share = gain[names == name] - gain.mean(), (names == name).mean()
            variance += own.sum() ** 2 / (1 - share) / len(gain) ** 2
    row = built.result("markets", "trips")
    assert row["estimator"] == "difference_in_differences"
    assert row["effect"] == pytest.approx(effects[1] - effects[0], rel=1e-9)
    assert row["effect_se"] == pytest.approx(np.sqrt(variance), rel=1e-9)
    assert row["df"] == pytest.approx(estimates.loc["markets", "trips", "treatment", "cluster"]["df"], rel=1e-12)
    assert (row["clusters_control"], row["clusters_treatment"]) == (9, 11)
