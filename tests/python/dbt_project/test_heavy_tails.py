"""Ranks, trimmed, geometric, bootstrapped and permuted means against scipy, on the unit rows of one built project.

Half of the units of each experiment are not mature, most values are zero and have no row, and some are negative.
"""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd
import pytest
from scipy import stats

WINDOW, ASSIGNED_DAYS, MATURE_DAYS, EXPOSED_EVERY, BUCKETS = 14, 4, 2, 3, 1000
START = pd.Timestamp("2024-01-01")
AS_OF = START + pd.Timedelta(days=WINDOW + MATURE_DAYS - 1)

METRICS = pd.DataFrame(
    [
        ("spend_ranks", "mean", "spend", None, None, None, None),
        ("net_ranks", "mean", "net", None, None, None, None),
        ("orders_ranks", "mean", "orders", None, None, None, None),
        ("ctr_ranks", "ratio", "clicks", "views", None, None, None),
        ("net_trimmed", "mean", "net", None, None, None, None),
        ("spend_trimmed", "mean", "spend", None, None, None, None),
        ("latency_geometric", "mean", "latency", None, None, None, None),
        ("spend_geometric", "mean", "spend", None, None, None, None),
        ("floored_geometric", "mean", "spend", None, 1.0, None, "fixed"),
        ("spend_bootstrap", "mean", "spend", None, None, None, None),
        ("capped_bootstrap", "mean", "spend", None, None, 20.0, "fixed"),
        ("ctr_bootstrap", "ratio", "clicks", "views", None, None, None),
        ("spend_permuted", "mean", "spend", None, None, None, None),
        ("ctr_permuted", "ratio", "clicks", "views", None, None, None),
        ("constant_ranks", "mean", "constant", None, None, None, None),
        ("constant_bootstrap", "mean", "constant", None, None, None, None),
    ],
    columns=["metric_id", "metric_type", "numerator_kpi", "denominator_kpi", "cap_lower", "cap_upper", "cap_kind"],
).assign(window_start_day=0, window_end_day=WINDOW, aggregation="sum")

ESTIMATORS = {
    "ranks": "mann_whitney",
    "trimmed": "trimmed",
    "geometric": "geometric",
    "bootstrap": "bootstrap",
    "permuted": "permutation",
}


def heavy(rng, size, mean=1.0, sigma=1.2, active=0.3):
    return np.where(rng.random(size) < active, np.round(rng.lognormal(mean, sigma, size), 2), 0.0)


def planned(exp_id, metric_ids, alternative="two_sided"):
    return pd.DataFrame(
        {
            "exp_id": exp_id,
            "metric_id": metric_ids,
            "role": ["primary"] + ["exploratory"] * (len(metric_ids) - 1),
            "estimator": [ESTIMATORS[metric_id.split("_")[1]] for metric_id in metric_ids],
            "alternative": alternative,
        }
    )


@pytest.fixture(scope="module")
def programme(write_experiment, stack):
    """Give the tables and the units' values."""
    rng = np.random.default_rng(20240301)
    arms = {"wide": {}, "lopsided": {}, "few": {}, "markets": {}}
    for variant, size, uplift in (("control", 3_000, 0.0), ("a", 2_900, 0.25), ("b", 3_100, -0.1)):
        views = rng.poisson(rng.gamma(2.0, 2.0, size))
        arms["wide"][variant] = {
            "spend": heavy(rng, size, 1 + uplift),
            "net": np.where(rng.random(size) < 0.5, np.round(rng.standard_t(3, size) + uplift, 1), 0.0),
            "orders": rng.poisson(0.7 + uplift, size).astype(float),
            "views": views.astype(float),
            "clicks": rng.binomial(views, 0.2 + 0.1 * uplift).astype(float),
            "latency": np.round(rng.lognormal(5 + uplift, 0.8, size), 1),
            "constant": np.full(size, 0.1),
        }
    for variant, size in (("control", 4_500), ("treatment", 500)):
        arms["lopsided"][variant] = {"spend": heavy(rng, size, active=0.5)}
    for variant, values in (("control", np.arange(1.0, 17.0)), ("treatment", np.arange(1.0, 25.0) + 4.5)):
        arms["few"][variant] = {"spend": values}
    clusters = {}
    for variant, n_clusters in (("control", 115), ("treatment", 108)):
        sizes = rng.integers(6, 30, n_clusters)
        clusters[variant] = list(np.repeat([f"{variant}-{i}" for i in range(n_clusters)], sizes))
        level = np.repeat(rng.gamma(4.0, 1.0, n_clusters), sizes)
        arms["markets"][variant] = {"spend": np.round(level * rng.gamma(1.0, 1.0, sizes.sum()), 2)}
    plan = [
        planned("wide", list(METRICS["metric_id"])),
        planned("lopsided", ["spend_permuted", "spend_bootstrap"]),
        planned("few", ["spend_ranks", "spend_bootstrap", "spend_permuted", "spend_trimmed"], "greater"),
        planned("markets", ["spend_bootstrap", "spend_ranks", "spend_permuted", "spend_trimmed", "spend_geometric"]),
    ]
    layout = {"assigned_days": ASSIGNED_DAYS, "start": str(START.date())}
    wide = write_experiment("wide", arms["wide"], **layout)
    seen = wide["assignment"].assign(index=wide["assignment"]["unit_id"].str.split("-").str[-1].astype(int))
    seen = seen[seen["index"] % EXPOSED_EVERY == 0]
    exposure = seen[["exp_id", "unit_id"]].assign(exposed_at=seen["assigned_at"] + pd.Timedelta(hours=1))
    tables = stack(
        {**wide, "exposure": exposure},
        write_experiment("lopsided", arms["lopsided"], traffic={"control": 0.9, "treatment": 0.1}, **layout),
        write_experiment("few", arms["few"], traffic={"control": 0.4, "treatment": 0.6}, **layout),
        write_experiment("markets", arms["markets"], clusters=clusters, **layout),
        {"metric": METRICS, "experiment_metric": pd.concat(plan, ignore_index=True)},
    )
    return tables, arms, clusters


@pytest.fixture(scope="module")
def built(shared_project, programme):
    flags = "--exclude-resource-type", "unit_test"
    outcome = shared_project.load(**programme[0]).build(*flags, as_of=str(AS_OF.date()))
    assert outcome.success, outcome.error
    return shared_project


@pytest.fixture(scope="module")
def values(programme):
    """Give a function from experiment, kpi and treatment to the mature units' values, control first."""

    def mature(exp_id, kpi, variant="treatment"):
        arms = [np.asarray(programme[1][exp_id][name][kpi], dtype=float) for name in ("control", variant)]
        return [arm[np.arange(len(arm)) % ASSIGNED_DAYS < MATURE_DAYS] for arm in arms]

    return mature


def estimate(built, exp_id, metric_id, variant_id="treatment", population="assigned"):
    """Read the headline."""
    rows = built.internal("effect").query("is_headline and exp_id == @exp_id and metric_id == @metric_id")
    rows = rows.query("variant_id == @variant_id and population == @population")
    assert len(rows) == 1
    return rows.iloc[0]


def buckets_of(programme, exp_id, kpis, variant, buckets):
    """Put the mature units into buckets as the documentation says, by MD5, and add up."""
    arm = programme[1][exp_id][variant]
    size = len(next(iter(arm.values())))
    mature = np.arange(size) % ASSIGNED_DAYS < MATURE_DAYS
    names = programme[2][variant] if exp_id == "markets" else [f"{exp_id}-{variant}-{i}" for i in range(size)]
    bucket = [int(hashlib.md5(f"{exp_id} {name}".encode()).hexdigest()[:8], 16) % buckets for name in names]
    bucket = np.array(bucket)[mature]
    columns = [arm[kpi][mature] for kpi in kpis] + [np.ones(mature.sum())] * (2 - len(kpis))
    return np.stack([np.bincount(bucket, column, minlength=buckets) for column in columns], axis=1)


@pytest.mark.parametrize("kpi", ["spend", "net", "orders"])
@pytest.mark.parametrize("variant", ["a", "b"])
def test_mann_whitney_is_scipys_for_each_treatment_with_its_control(built, values, kpi, variant):
    control, treatment = values("wide", kpi, variant)
    row = estimate(built, "wide", f"{kpi}_ranks", variant)
    want = stats.mannwhitneyu(treatment, control, method="asymptotic")
    assert (row["estimator"], row["status"]) == ("mann_whitney", "ok")
    assert (row["n_control"], row["n_treatment"]) == (len(control), len(treatment))
    assert row["p_value"] == pytest.approx(want.pvalue, rel=1e-9)
    assert row["effect"] == pytest.approx(want.statistic / len(control) / len(treatment) - 0.5, rel=1e-9)
    assert row["mean_treatment"] == pytest.approx(treatment.mean(), rel=1e-12)
    assert pd.isna(row["lift"])
    # Brunner and Munzel's interval, from the placements as they are defined.
    ranks = stats.rankdata(np.concatenate([control, treatment]))
    parts = [(ranks[: len(control)] - stats.rankdata(control)) / len(treatment),
             (ranks[len(control) :] - stats.rankdata(treatment)) / len(control)]  # fmt: skip
    share = [part.var(ddof=1) / len(part) for part in parts]
    df = sum(share) ** 2 / sum(s**2 / (len(part) - 1) for s, part in zip(share, parts, strict=True))
    assert row["effect_se"] == pytest.approx(np.sqrt(sum(share)), rel=1e-9)
    assert row["effect_ci_low"] == pytest.approx(row["effect"] - stats.t.ppf(0.975, df) * np.sqrt(sum(share)), rel=1e-8)


def test_mann_whitney_of_few_untied_units_is_exact_and_one_sided(built, values):
    control, treatment = values("few", "spend")
    row = estimate(built, "few", "spend_ranks")
    want = stats.mannwhitneyu(treatment, control, method="exact", alternative="greater")
    assert row["p_value"] == pytest.approx(want.pvalue, rel=1e-12)
    # So few units have a test and no interval.
    assert row["effect"] > 0 and np.isnan([row["effect_se"], row["effect_ci_low"], row["effect_ci_high"]]).all()


@pytest.mark.parametrize(("exp_id", "kpi", "variant"), [("wide", "net", "a"), ("wide", "net", "b")])
def test_trimmed_means_are_yuens(built, values, exp_id, kpi, variant):
    control, treatment = values(exp_id, kpi, variant)
    row = estimate(built, exp_id, f"{kpi}_trimmed", variant)
    want = stats.ttest_ind(treatment, control, equal_var=False, trim=0.1)
    interval = want.confidence_interval(0.95)
    assert (row["estimator"], row["status"]) == ("trimmed", "ok")
    assert row["mean_control"] == pytest.approx(stats.trim_mean(control, 0.1), rel=1e-9)
    assert row["mean_treatment"] == pytest.approx(stats.trim_mean(treatment, 0.1), rel=1e-9)
    assert row["effect"] == pytest.approx(row["mean_treatment"] - row["mean_control"], rel=1e-9)
    assert row["statistic"] == pytest.approx(want.statistic, rel=1e-9)
    assert row["df"] == pytest.approx(want.df, rel=1e-9)
    assert row["p_value"] == pytest.approx(want.pvalue, rel=1e-9)
    assert [row["effect_ci_low"], row["effect_ci_high"]] == pytest.approx([interval.low, interval.high], rel=1e-8)
    assert row["lift"] == pytest.approx(row["effect"] / abs(row["mean_control"]), rel=1e-9)


def test_trimming_keeps_only_the_upper_side_of_values_that_are_mostly_zero(built, values):
    control, treatment = values("wide", "spend", "a")
    row = estimate(built, "wide", "spend_trimmed", "a")
    assert row["mean_control"] == pytest.approx(stats.trim_mean(control, 0.1), rel=1e-9)
    assert row["p_value"] == pytest.approx(
        stats.ttest_ind(treatment, control, equal_var=False, trim=0.1).pvalue, rel=1e-9
    )


@pytest.mark.parametrize(("metric_id", "kpi", "floor"), [("latency", "latency", 0.0), ("floored", "spend", 1.0)])
def test_geometric_means_are_welch_on_the_logarithms(built, values, metric_id, kpi, floor):
    """With a floor of 1, units without outcome are worth 1, not nothing."""
    control, treatment = (np.maximum(arm, floor) for arm in values("wide", kpi, "a"))
    row = estimate(built, "wide", f"{metric_id}_geometric", "a")
    want = stats.ttest_ind(np.log(treatment), np.log(control), equal_var=False)
    low, high = np.exp(want.confidence_interval(0.95)) - 1
    assert (row["estimator"], row["status"]) == ("geometric", "ok")
    assert row["mean_control"] == pytest.approx(stats.gmean(control), rel=1e-12)
    assert row["mean_treatment"] == pytest.approx(stats.gmean(treatment), rel=1e-12)
    assert row["lift"] == pytest.approx(stats.gmean(treatment) / stats.gmean(control) - 1, rel=1e-9)
    assert [row["lift_ci_low"], row["lift_ci_high"]] == pytest.approx([low, high], rel=1e-8)
    assert [row["statistic"], row["df"]] == pytest.approx([want.statistic, want.df], rel=1e-9)
    assert row["p_value"] == pytest.approx(want.pvalue, rel=1e-8)
    assert row["effect"] == pytest.approx(stats.gmean(treatment) - stats.gmean(control), rel=1e-9)


def test_a_zero_has_no_logarithm(built):
    row = estimate(built, "wide", "spend_geometric", "a")
    assert (row["estimator"], row["status"]) == ("geometric", "not_positive")
    assert row[["mean_control", "mean_treatment", "effect", "effect_se", "lift", "p_value"]].isna().all()
    # The raw comparison is still there for those who want to see it.
    other = built.table("metric_estimate").query("exp_id == 'wide' and metric_id == 'spend_geometric'")
    assert set(other.query("estimator == 'difference'")["status"]) == {"ok"}


@pytest.mark.parametrize(
    ("exp_id", "metric_id", "kpis"),
    [
        ("wide", "spend_bootstrap", ["spend"]),
        ("wide", "ctr_bootstrap", ["clicks", "views"]),
        ("lopsided", "spend_permuted", ["spend"]),
        ("markets", "spend_permuted", ["spend"]),
    ],
)
def test_buckets_hold_every_mature_unit_where_md5_says(built, programme, exp_id, metric_id, kpis):
    """An inner join with the outcomes would lose the zeros; another hash would give other draws in the next build."""
    plan = built.internal("plan_metric").query("population == 'assigned'")
    rows = built.internal("unit_bucket").merge(plan[["plan_key", "exp_id", "metric_id"]])
    rows = rows.query("exp_id == @exp_id and metric_id == @metric_id")
    share = {"control": 1.0, "treatment": 1 / 9} if exp_id == "lopsided" else {}
    for variant_id, mine in rows.groupby("variant_id"):
        buckets = round(BUCKETS * share.get(variant_id, 1.0))
        assert set(mine["buckets"]) == {buckets}
        want = buckets_of(programme, exp_id, kpis, variant_id, buckets)
        got = np.zeros_like(want)
        got[mine["bucket"].to_numpy(dtype=int)] = mine[["total_numerator", "total_denominator"]]
        np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-9)
    assert rows["variant_id"].nunique() == len(programme[1][exp_id])


@pytest.mark.parametrize(
    ("metric_id", "kpis", "cap"),
    [("spend", ["spend"], np.inf), ("capped", ["spend"], 20.0), ("ctr", ["clicks", "views"], np.inf)],
)
def test_bucket_bootstrap_is_the_bootstrap_of_units(built, values, metric_id, kpis, cap):
    arms = []
    for i in (0, 1):
        columns = [np.minimum(values("wide", kpi, "a")[i], cap) for kpi in kpis]
        arms.append((columns[0], columns[1] if len(kpis) > 1 else np.ones(len(columns[0]))))
    rng = np.random.default_rng(5)
    drawn = []
    for numerator, denominator in arms:
        picks = rng.integers(0, len(numerator), (2_000, len(numerator)))
        drawn.append(numerator[picks].sum(axis=1) / denominator[picks].sum(axis=1))
    effect = drawn[1] - drawn[0]
    row = estimate(built, "wide", f"{metric_id}_bootstrap", "a")
    assert (row["estimator"], row["status"]) == ("bootstrap", "ok")
    raw = [numerator.sum() / denominator.sum() for numerator, denominator in arms]
    assert row["effect"] == pytest.approx(raw[1] - raw[0], rel=1e-9)
    assert row["lift"] == pytest.approx(raw[1] / raw[0] - 1, rel=1e-9)
    # A standard error from 1000 buckets and one from 2000 draws, 2 % and 1.6 % wide, and heavy tails.
    assert row["effect_se"] == pytest.approx(effect.std(), rel=0.1)
    width = np.diff(np.quantile(effect, [0.025, 0.975]))[0]
    assert row["effect_ci_high"] - row["effect_ci_low"] == pytest.approx(width, rel=0.12)
    assert (row["effect_ci_low"] > 0) == (row["p_value"] <= 0.05)
    lift = np.quantile(drawn[1] / drawn[0] - 1, [0.025, 0.975])
    assert [row["lift_ci_low"], row["lift_ci_high"]] == pytest.approx(lift, abs=0.12 * np.diff(lift)[0])


def studentised(control, treatment):
    """Difference of two ratios of totals by its standard error between buckets: arrays (..., buckets, 2)."""
    parts = []
    for totals in (control, treatment):
        numerator, denominator = totals[..., 0], totals[..., 1]
        size = totals.shape[-2]
        ratio = numerator.sum(axis=-1) / denominator.sum(axis=-1)
        spread = ((numerator - ratio[..., None] * denominator) ** 2).sum(axis=-1) * size / (size - 1)
        parts.append((ratio, spread / denominator.sum(axis=-1) ** 2))
    return (parts[1][0] - parts[0][0]) / np.sqrt(parts[0][1] + parts[1][1])


@pytest.mark.parametrize(
    ("exp_id", "metric_id", "kpis", "variant", "buckets"),
    [
        ("wide", "spend_permuted", ["spend"], "b", (1000, 1000)),
        ("wide", "ctr_permuted", ["clicks", "views"], "b", (1000, 1000)),
        ("lopsided", "spend_permuted", ["spend"], "treatment", (1000, 111)),
        ("markets", "spend_permuted", ["spend"], "treatment", (1000, 1000)),
    ],
)
def test_permutation_is_scipys_on_the_buckets(built, programme, exp_id, metric_id, kpis, variant, buckets):
    totals = np.concatenate(
        [
            buckets_of(programme, exp_id, kpis, name, size)
            for name, size in zip(("control", variant), buckets, strict=True)
        ]
    )
    row = estimate(built, exp_id, metric_id, variant)
    want = stats.permutation_test(
        (np.arange(buckets[0]), buckets[0] + np.arange(buckets[1])),
        lambda a, b, axis: np.abs(studentised(totals[a.astype(int)], totals[b.astype(int)])),
        vectorized=True, alternative="greater", n_resamples=2_000, batch=250, rng=np.random.default_rng(3),
    )  # fmt: skip
    assert (row["estimator"], row["status"]) == ("permutation", "ok")
    assert abs(row["statistic"]) == pytest.approx(want.statistic, rel=1e-9)
    noise = np.sqrt(want.pvalue * (1 - want.pvalue) * (1 / 2_000 + 1 / 4_999))
    assert row["p_value"] == pytest.approx(want.pvalue, abs=4 * noise + 0.001)
    assert pd.isna(row["effect_ci_low"]) and not pd.isna(row["effect_se"])


def test_clusters_are_resampled_whole(built, values):
    """Buckets of units would give the standard error of independent units, half as large."""
    estimates = built.table("metric_estimate").query("exp_id == 'markets' and metric_id == 'spend_bootstrap'")
    estimates = estimates.set_index("estimator")
    assert estimates.loc["bootstrap", "effect_se"] == pytest.approx(estimates.loc["cluster", "effect_se"], rel=0.1)
    control, treatment = values("markets", "spend")
    assert estimates.loc["bootstrap", "effect_se"] > 1.4 * np.hypot(stats.sem(control), stats.sem(treatment))


@pytest.mark.parametrize(
    ("exp_id", "metric_id"),
    [
        ("markets", "spend_ranks"),
        ("markets", "spend_trimmed"),
        ("markets", "spend_geometric"),
        ("wide", "ctr_ranks"),
    ],
)
def test_methods_for_single_independent_values_are_refused_elsewhere(built, exp_id, metric_id):
    row = estimate(built, exp_id, metric_id, "treatment" if exp_id == "markets" else "a")
    assert (row["estimator"], row["status"]) == ("mann_whitney" if "ranks" in metric_id else row["estimator"],
                                                 "estimator_unavailable")  # fmt: skip
    assert pd.isna(row["p_value"]) and pd.isna(row["effect"])


def test_exposed_units_are_a_population_of_their_own(built, programme):
    """Every estimator is estimated again on the exposed units alone, zeros among them included."""
    arms = {}
    for variant in ("control", "a"):
        index = np.arange(len(programme[1]["wide"][variant]["net"]))
        kept = (index % ASSIGNED_DAYS < MATURE_DAYS) & (index % EXPOSED_EVERY == 0)
        arms[variant] = {kpi: programme[1]["wide"][variant][kpi][kept] for kpi in ("net", "spend", "latency")}
    net, spend, latency = ([arms[variant][kpi] for variant in ("control", "a")] for kpi in ("net", "spend", "latency"))
    row = estimate(built, "wide", "net_ranks", "a", "exposed")
    assert row["p_value"] == pytest.approx(stats.mannwhitneyu(*net, method="asymptotic").pvalue, rel=1e-9)
    row = estimate(built, "wide", "net_trimmed", "a", "exposed")
    assert row["p_value"] == pytest.approx(stats.ttest_ind(*net, equal_var=False, trim=0.1).pvalue, rel=1e-9)
    row = estimate(built, "wide", "latency_geometric", "a", "exposed")
    assert row["lift"] == pytest.approx(stats.gmean(latency[1]) / stats.gmean(latency[0]) - 1, rel=1e-9)
    row = estimate(built, "wide", "spend_bootstrap", "a", "exposed")
    assert row["n_treatment"] == len(spend[1])
    assert row["effect"] == pytest.approx(spend[1].mean() - spend[0].mean(), rel=1e-9)
    assert row["effect_se"] == pytest.approx(np.hypot(*map(stats.sem, spend)), rel=0.1)


def test_trap_a_constant_metric_has_no_test(built):
    for metric_id in ("constant_ranks", "constant_bootstrap"):
        row = estimate(built, "wide", metric_id, "a")
        assert row["status"] == "zero_variance"
        assert row[["p_value", "effect_se", "effect_ci_low"]].isna().all()


def test_too_few_units_to_bootstrap_are_refused(built):
    row = estimate(built, "few", "spend_bootstrap")
    assert (row["estimator"], row["status"]) == ("bootstrap", "too_few_units")
    assert row[["p_value", "effect_se", "effect_ci_low", "lift_ci_low"]].isna().all()
    assert row["effect"] == pytest.approx(row["mean_treatment"] - row["mean_control"], rel=1e-9)
    assert estimate(built, "few", "spend_permuted")["status"] == "ok"


def test_nothing_is_read_where_no_plan_asks(built):
    keys = built.internal("plan_metric").set_index("plan_key")["estimator"]
    for model, estimators in {
        "unit_bucket": {"bootstrap", "permutation"},
        "rank_sum": {"mann_whitney"},
        "trimmed_moment": {"trimmed"},
        "log_moment": {"geometric"},
    }.items():
        assert set(keys.loc[built.internal(model)["plan_key"]]) == estimators
