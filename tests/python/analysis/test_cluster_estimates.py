"""The estimators of few clusters, from the tables of dbt: against matrices of units, regressions and enumerations."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.regression.linear_model import WLS

from python_stats.analysis.estimators.cluster_estimates import cluster_estimates
from python_stats.analysis.table.estimate_rows import frame_of
from python_stats.clusters.robust_variance import cluster_arm, cluster_difference
from python_stats.clusters.totals import cluster_moments

# A tenth of the default, for speed; signs are enumerated up to nine clusters.
DRAWS = 999
NAMES = ("cr3", "randomization", "wild_bootstrap")
TOTALS = ("numerator", "denominator", "covariate", "covariate_denominator")


def market_arm(rng: np.random.Generator, clusters: int, effect: float, *, ratio: bool = False) -> dict[str, Any]:
    """Units of markets of very different size, with a pre-period that knows the market."""
    sizes = np.maximum(rng.lognormal(2.5, 0.8, clusters).astype(int), 2)
    market = np.repeat(np.arange(clusters), sizes)
    level = rng.normal(0, 1, clusters)[market]
    units = {"cluster": market}
    if ratio:
        pre, now = rng.poisson(4 * np.exp(0.5 * level)), rng.poisson(4 * np.exp(0.5 * level))
        units |= {"denominator": now, "covariate_denominator": pre}
        units["numerator"] = now * (2 + 0.3 * level + effect) + rng.normal(0, 1, market.size) * (now > 0)
        units["covariate"] = pre * (2 + 0.3 * level) + rng.normal(0, 1, market.size) * (pre > 0)
    else:
        units["covariate"] = 5 + level + rng.normal(0, 1, market.size)
        units["numerator"] = units["covariate"] + effect + 0.4 * level + rng.normal(0, 1, market.size)
    return units


def totals_of(units: dict[str, Any], variant: str, plan_key: int = 1) -> pd.DataFrame:
    """Rows of the model ``few_cluster_total``, from unit rows."""
    table = pd.DataFrame({name: np.asarray(values, dtype=float) for name, values in units.items() if name in TOTALS})
    table = (table - table.mean()).add_prefix("total_").assign(cluster_id=units["cluster"], n=1)
    rows = table.groupby("cluster_id", as_index=False).sum().assign(plan_key=plan_key, variant_id=variant)
    return rows.reindex(
        columns=["plan_key", "variant_id", "cluster_id", "n", *(f"total_{name}" for name in TOTALS)]
    ).sample(frac=1, random_state=4)


@pytest.fixture
def tables(comparison):
    """``tables(control, treatment, **plan)``: the comparison and the cluster totals of one experiment."""

    def make(control: dict[str, Any], treatment: dict[str, Any], **plan: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
        arms = (control, treatment)
        row = comparison(*({k: v for k, v in arm.items() if k != "cluster"} for arm in arms), **plan)
        # The models give every arm of several clusters a trace; its size matters to CR2 alone.
        row |= {"is_clustered": True, "is_last_look": True}
        row |= {"satterthwaite_trace_control": 0.1, "satterthwaite_trace_treatment": 0.1}
        for name, arm in zip(("control", "treatment"), arms, strict=True):
            row[f"clusters_{name}"] = np.unique(arm["cluster"]).size
        key = row["plan_key"]
        totals = [totals_of(control, row["control_variant_id"], key), totals_of(treatment, row["variant_id"], key)]
        return pd.DataFrame([row]), pd.concat(totals, ignore_index=True)

    return make


def estimates(comparisons: pd.DataFrame, totals: pd.DataFrame, draws: int = DRAWS) -> pd.DataFrame:
    rows = frame_of(cluster_estimates(comparisons, totals, draws=draws))
    assert sorted(rows["estimator"]) == sorted(NAMES * len(comparisons))
    return rows.set_index("estimator")


def slope(outcome: np.ndarray, covariate: np.ndarray) -> float:
    both = np.cov(outcome, covariate)
    return both[0, 1] / both[1, 1]


def adjusted_units(arms: list[dict[str, Any]], *, ratio: bool, with_covariate: bool) -> tuple[np.ndarray, ...]:
    """Return outcome, weight, cluster and arm of every unit with a weight: what a weighted regression is run on."""
    names = [name for name in TOTALS if name in arms[0]]
    pooled = {name: np.concatenate([np.asarray(arm[name], float) for arm in arms]) for name in names}
    outcome, weight, theta = [], [], 0.0
    if ratio and with_covariate:
        lines = [
            (pooled[a] - pooled[a].sum() / pooled[b].sum() * pooled[b]) / pooled[b].mean()
            for a, b in (("numerator", "denominator"), ("covariate", "covariate_denominator"))
        ]
        theta = slope(*lines)
    elif with_covariate:
        theta = slope(pooled["numerator"], pooled["covariate"])
    for arm in arms:
        y, x = np.asarray(arm["numerator"], float), np.asarray(arm["covariate"], float)
        if ratio:
            d, b = np.asarray(arm["denominator"], float), np.asarray(arm["covariate_denominator"], float)
            before = x.sum() / b.sum()
            value = y - theta * d.mean() / b.mean() * (x - before * b) - theta * before * d
            weight.append(d)
            outcome.append(np.divide(value, d, out=np.zeros(d.size), where=d > 0))
            # A unit without a denominator has no row in a regression with weights: its residual goes to the market's.
            own = pd.Series(np.where(d > 0, 0.0, value)).groupby(arm["cluster"]).sum()
            counts = pd.Series(d).groupby(arm["cluster"]).sum()
            outcome[-1] = outcome[-1] + (own / counts).reindex(arm["cluster"]).to_numpy() * (d > 0)
        else:
            weight.append(np.ones(y.size))
            outcome.append(y - theta * x)
    sizes = [len(w) for w in weight]
    group = np.concatenate([np.asarray(arm["cluster"]) + 1000 * i for i, arm in enumerate(arms)])
    treated = np.repeat([0, 1], sizes)
    w = np.concatenate(weight)
    kept = w > 0
    return np.concatenate(outcome)[kept], w[kept], group[kept], treated[kept]


def dense(y: np.ndarray, weight: np.ndarray, cluster: np.ndarray, treated: np.ndarray, power: int):
    """Effect, standard error and Satterthwaite df of a weighted two-arm regression from full matrices of units.

    ``power`` 1 is CR2, ``(I - H)^(-1/2)`` per cluster, and 2 CR3, ``(I - H)^(-1)``.
    """
    root = np.sqrt(weight)
    x = root[:, None] * np.column_stack([1 - treated, treated])
    bread = np.linalg.inv(x.T @ x)
    beta = bread @ x.T @ (root * y)
    annihilator = np.eye(y.size) - x @ bread @ x.T
    residual = root * y - x @ beta
    contrast = x @ bread @ np.array([-1.0, 1.0])
    variance, vectors = 0.0, []
    for number in np.unique(cluster):
        own = cluster == number
        values, basis = np.linalg.eigh(annihilator[np.ix_(own, own)])
        scaled = basis @ (values ** (-power / 2) * (basis.T @ contrast[own]))
        variance += (scaled @ residual[own]) ** 2
        vectors.append(annihilator[:, own] @ scaled)
    form = np.array(vectors) @ np.array(vectors).T
    return beta[1] - beta[0], np.sqrt(variance), np.trace(form) ** 2 / np.sum(form**2)


@pytest.mark.parametrize("ratio", [False, True], ids=["mean", "ratio"])
@pytest.mark.parametrize("with_covariate", [False, True], ids=["raw", "cuped"])
def test_cr3_is_that_of_matrices_of_units(tables, ratio: bool, with_covariate: bool):
    rng = np.random.default_rng(31)
    arms = [market_arm(rng, 7, 0.0, ratio=ratio), market_arm(rng, 5, 0.3, ratio=ratio)]
    plan = {"metric_type": "ratio" if ratio else "mean", "estimator": None if with_covariate else "unadjusted"}
    got = estimates(*tables(*arms, **plan))
    units = adjusted_units(arms, ratio=ratio, with_covariate=with_covariate)
    effect, se, df = dense(*units, power=2)
    assert got["effect"].to_numpy() == pytest.approx(effect, rel=1e-9)
    row = got.loc["cr3"]
    assert row["effect_se"] == pytest.approx(se, rel=1e-9)
    assert row["df"] == pytest.approx(df, rel=1e-9)
    assert row["p_value"] == pytest.approx(2 * stats.t.sf(abs(effect / se), df), rel=1e-8)
    assert row["effect_ci_high"] == pytest.approx(effect + stats.t.ppf(0.975, df) * se, rel=1e-8)
    raw = dense(*adjusted_units(arms, ratio=ratio, with_covariate=False), power=2)[1]
    assert row["variance_reduction"] == pytest.approx(1 - (se / raw) ** 2, abs=1e-9)
    assert (row["variance_reduction"] > 0.1) == with_covariate


@pytest.mark.parametrize("ratio", [False, True], ids=["mean", "ratio"])
@pytest.mark.parametrize("with_covariate", [False, True], ids=["raw", "cuped"])
def test_randomization_enumerates_the_assignments_of_whole_clusters(tables, ratio: bool, with_covariate: bool):
    rng = np.random.default_rng(32)
    arms = [market_arm(rng, 6, 0.0, ratio=ratio), market_arm(rng, 4, 0.2, ratio=ratio)]
    plan = {"metric_type": "ratio" if ratio else "mean", "estimator": None if with_covariate else "unadjusted"}
    row = estimates(*tables(*arms, **plan)).loc["randomization"]
    units = pd.concat([pd.DataFrame(arm).assign(cluster=lambda t, i=i: t["cluster"] + 100 * i) for i, arm in
                       enumerate(arms)])  # fmt: skip
    market = units["cluster"].to_numpy()
    bases = ("denominator", "covariate_denominator") if ratio else (None, None)

    def value(name: str, base: str | None, mine: np.ndarray) -> float:
        column = units[name].to_numpy(dtype=float)
        return column[mine].sum() / (units[base].to_numpy(dtype=float)[mine].sum() if base else mine.sum())

    def adjusted(chosen: tuple[int, ...]) -> float:
        mine = np.isin(market, chosen)
        gaps = [value(name, base, mine) - value(name, base, ~mine)
                for name, base in zip(("numerator", "covariate"), bases, strict=True)]  # fmt: skip
        return gaps[0] - theta * gaps[1]

    y, x = (
        (units[a] - units[a].sum() / units[b].sum() * units[b]) / units[b].mean() if ratio else units[a]
        for a, b in zip(("numerator", "covariate"), bases, strict=True)
    )
    theta = slope(y, x) if with_covariate else 0.0
    drawn = np.array([adjusted(chosen) for chosen in combinations(np.unique(market), 4)])
    observed = adjusted(tuple(market[market >= 100]))
    assert row["effect"] == pytest.approx(observed, rel=1e-9)
    assert row["p_value"] == pytest.approx(np.mean(np.abs(drawn) >= abs(observed) - 1e-12), rel=1e-12)
    assert row["p_value_resolution"] == pytest.approx(1 / 210)
    assert row["effect_ci_low"] < observed < row["effect_ci_high"]
    assert np.isnan(row["effect_se"]) and np.isnan(row["statistic"]) and np.isnan(row["lift_ci_low"])
    assert row["lift"] == pytest.approx(observed / value("numerator", bases[0], market < 100), rel=1e-9)


@pytest.mark.parametrize("ratio", [False, True], ids=["mean", "ratio"])
@pytest.mark.parametrize("with_covariate", [False, True], ids=["raw", "cuped"])
def test_the_bootstrap_studentises_by_the_regression_s_cluster_error(tables, ratio: bool, with_covariate: bool):
    rng = np.random.default_rng(33)
    arms = [market_arm(rng, 8, 0.0, ratio=ratio), market_arm(rng, 6, 0.2, ratio=ratio)]
    plan = {"metric_type": "ratio" if ratio else "mean", "estimator": None if with_covariate else "unadjusted"}
    row = estimates(*tables(*arms, **plan)).loc["wild_bootstrap"]
    y, weight, group, treated = adjusted_units(arms, ratio=ratio, with_covariate=with_covariate)
    fit = WLS(y, np.column_stack([np.ones(y.size), treated]), weights=weight).fit(
        cov_type="cluster", cov_kwds={"groups": group}, use_t=True
    )
    units = sum(len(arm["cluster"]) for arm in arms)
    # Units without a denominator are not in the regression, but they are units: (N - 1) / (N - 2) differs.
    factor = (units - 1) / (units - 2) / ((y.size - 1) / (y.size - 2))
    assert row["effect"] == pytest.approx(fit.params[1], rel=1e-9)
    assert row["effect_se"] == pytest.approx(fit.bse[1] * np.sqrt(factor), rel=1e-9)
    assert row["statistic"] == pytest.approx(row["effect"] / row["effect_se"], rel=1e-12)
    # Fourteen clusters: more sign vectors than draws.
    assert row["p_value_resolution"] == pytest.approx(1 / 1_000)
    assert abs(row["p_value"] - fit.pvalues[1]) < 0.15


def test_small_designs_are_enumerated_and_large_ones_drawn(tables):
    rng = np.random.default_rng(36)
    for control, treatment, signs, assignments in ((3, 3, 64, 20), (6, 7, 8192, 1716), (8, 8, 10_000, 12_870),
                                                   (9, 9, 10_000, 10_000)):  # fmt: skip
        pair = tables(market_arm(rng, control, 0.0), market_arm(rng, treatment, 0.0))
        got = estimates(*pair, draws=9_999)["p_value_resolution"]
        assert (1 / got["wild_bootstrap"], 1 / got["randomization"]) == pytest.approx((signs, assignments))


@pytest.mark.parametrize("word", ["cluster", "unadjusted", "difference", "ratio"])
def test_a_plan_for_the_raw_comparison_has_raw_rows(tables, word: str):
    rng = np.random.default_rng(34)
    comparisons, totals = tables(market_arm(rng, 6, 0.0), market_arm(rng, 6, 0.5), estimator=word)
    raw = comparisons["mean_numerator_treatment"][0] - comparisons["mean_numerator_control"][0]
    assert estimates(comparisons, totals)["effect"].to_numpy() == pytest.approx(raw, rel=1e-12)
    for asked in (None, "cuped", "randomization", "cluster_cuped"):
        adjusted = estimates(comparisons.assign(estimator=asked), totals)["effect"]
        assert (np.abs(adjusted - raw) > 0.01).all()


SHIFTS = {"scale": (3.0, 0.0), "shift": (1.0, 1e3), "mirror": (-1.0, 0.0)}


@pytest.mark.parametrize("change", SHIFTS)
@pytest.mark.parametrize("ratio", [False, True], ids=["mean", "ratio"])
def test_shift_and_scale_change_the_unit_and_nothing_else(tables, change: str, ratio: bool):
    rng = np.random.default_rng(35)
    arms = [market_arm(rng, 6, 0.0, ratio=ratio), market_arm(rng, 5, 0.4, ratio=ratio)]
    factor, add = SHIFTS[change]
    # A ratio is shifted by adding to the numerator in proportion to the denominator.
    moved = [arm | {"numerator": factor * np.asarray(arm["numerator"], float) + add * arm.get("denominator", 1.0)}
             for arm in arms]  # fmt: skip
    plan = {"metric_type": "ratio" if ratio else "mean"}
    before, after = (estimates(*tables(*pair, **plan)) for pair in (arms, moved))
    assert after["effect"].to_numpy() == pytest.approx(factor * before["effect"].to_numpy(), rel=1e-7)
    assert after["p_value"].to_numpy() == pytest.approx(before["p_value"].to_numpy(), rel=1e-6)
    low, high = ("effect_ci_low", "effect_ci_high") if factor > 0 else ("effect_ci_high", "effect_ci_low")
    assert after["effect_ci_low"].to_numpy() == pytest.approx(factor * before[low].to_numpy(), rel=1e-6)
    assert after["effect_ci_high"].to_numpy() == pytest.approx(factor * before[high].to_numpy(), rel=1e-6)


@pytest.mark.parametrize("ratio", [False, True], ids=["mean", "ratio"])
def test_swapping_the_arms_flips_the_sign_and_nothing_else(tables, ratio: bool):
    rng = np.random.default_rng(37)
    arms = [market_arm(rng, 5, 0.0, ratio=ratio), market_arm(rng, 4, 0.4, ratio=ratio)]
    plan = {"metric_type": "ratio" if ratio else "mean"}
    there, back = (estimates(*tables(*pair, **plan)) for pair in (arms, arms[::-1]))
    assert back["effect"].to_numpy() == pytest.approx(-there["effect"].to_numpy(), rel=1e-9)
    assert back["p_value"].to_numpy() == pytest.approx(there["p_value"].to_numpy(), rel=1e-9)
    assert back["effect_ci_low"].to_numpy() == pytest.approx(-there["effect_ci_high"].to_numpy(), rel=1e-8)


def test_units_of_a_cluster_may_be_merged_where_nothing_but_their_sum_counts(tables):
    """A ratio of sums does not know units: one unit per cluster with its totals gives the same."""
    rng = np.random.default_rng(38)
    arms = [market_arm(rng, 6, 0.0, ratio=True), market_arm(rng, 5, 0.4, ratio=True)]
    merged = [pd.DataFrame(arm).groupby("cluster", as_index=False).sum().to_dict("series") for arm in arms]
    plan = {"metric_type": "ratio", "estimator": "unadjusted"}
    got, want = (estimates(*tables(*pair, **plan)) for pair in (merged, arms))
    for column in ("effect", "p_value", "effect_ci_low", "effect_ci_high", "df"):
        np.testing.assert_allclose(got[column].to_numpy(), want[column].to_numpy(), rtol=1e-7, err_msg=column)


def test_several_treatments_share_the_control_s_clusters(tables):
    rng = np.random.default_rng(39)
    control, *treatments = (market_arm(rng, 6, effect) for effect in (0.0, 0.2, 0.6))
    single = [tables(control, arm, variant_id=name) for arm, name in zip(treatments, "ab", strict=True)]
    together = frame_of(
        cluster_estimates(
            pd.concat([comparisons for comparisons, _ in single], ignore_index=True),
            pd.concat([totals for _, totals in single], ignore_index=True).drop_duplicates(
                ["variant_id", "cluster_id"]
            ),
            draws=DRAWS,
        )
    )
    for name, (comparisons, totals) in zip("ab", single, strict=True):
        want = estimates(comparisons, totals)
        got = together[together["variant_id"] == name].set_index("estimator")
        for column in ("effect", "effect_ci_low", "effect_ci_high", "p_value"):
            np.testing.assert_allclose(got.loc[list(NAMES), column], want.loc[list(NAMES), column], rtol=1e-12)


def test_many_comparisons_at_once_are_each_their_own(tables):
    rng = np.random.default_rng(40)
    single = []
    for key, (control, treatment, ratio) in enumerate([(4, 5, False), (6, 6, True), (9, 8, False), (15, 12, True)]):
        arms = market_arm(rng, control, 0.0, ratio=ratio), market_arm(rng, treatment, 0.2, ratio=ratio)
        plan = {"metric_type": "ratio" if ratio else "mean", "plan_key": key, "metric_id": f"m{key}"}
        single.append(tables(*arms, **plan, alpha=0.05 + 0.05 * key))
    together = frame_of(
        cluster_estimates(*(pd.concat(parts, ignore_index=True) for parts in zip(*single, strict=True)), draws=DRAWS)
    )
    for key, pair in enumerate(single):
        want = estimates(*pair)
        got = together[together["metric_id"] == f"m{key}"].set_index("estimator")
        for column in ("effect", "effect_ci_low", "effect_ci_high", "p_value"):
            np.testing.assert_allclose(got.loc[list(NAMES), column], want.loc[list(NAMES), column], rtol=1e-12)


def test_a_rebuild_gives_the_same_numbers_whatever_the_order_of_the_rows(tables):
    rng = np.random.default_rng(41)
    comparisons, totals = tables(market_arm(rng, 14, 0.0), market_arm(rng, 14, 0.2))
    first, second = (
        estimates(comparisons, totals.sample(frac=1, random_state=seed).reset_index(drop=True)) for seed in (1, 2)
    )
    assert first["p_value"].to_dict() == second["p_value"].to_dict()
    other = estimates(comparisons.assign(metric_id="another"), totals)
    drawn = ["randomization", "wild_bootstrap"]
    assert (other.loc[drawn, "p_value"] != first.loc[drawn, "p_value"]).all()
    assert other.loc[drawn, "p_value"].to_numpy() == pytest.approx(first.loc[drawn, "p_value"].to_numpy(), abs=0.06)


def test_trap_rounding_of_the_totals_does_not_choose_the_draws(tables):
    rng = np.random.default_rng(43)
    market = np.repeat(np.arange(14), 5)
    # Every cluster has the same denominator, as a sum of other numbers: equal but for the last digits.
    arms = [
        {"cluster": market, "denominator": np.full(70, 0.1), "numerator": rng.normal(0.1, 0.1, 14)[market]}
        for _ in range(2)
    ]
    comparisons, totals = tables(*arms, metric_type="ratio")
    other = totals.assign(total_denominator=totals["total_denominator"] + rng.integers(-2, 3, len(totals)) * 1e-16)
    first, second = (estimates(comparisons, each) for each in (totals, other))
    for name in ("randomization", "wild_bootstrap"):
        assert second.loc[name, "p_value"] == first.loc[name, "p_value"]


def test_trap_clustered_data_analysed_as_rows(tables):
    """Ten markets of 400 units that differ by market only: rows would see 8,000 independent values."""
    rng = np.random.default_rng(53)
    arms = []
    for _ in range(2):
        market = np.repeat(np.arange(10), 400)
        level = rng.normal(0, 1, 10)[market]
        arms.append({"cluster": market, "numerator": level + rng.normal(0, 0.5, market.size)})
    got = estimates(*tables(*arms))
    rows = stats.ttest_ind(arms[1]["numerator"], arms[0]["numerator"], equal_var=False)
    assert rows.pvalue < 1e-6
    assert (got["p_value"] > 0.05).all()


def test_trap_a_normal_reference_with_ten_clusters(tables):
    rng = np.random.default_rng(43)
    got = estimates(*tables(market_arm(rng, 5, 0.0), market_arm(rng, 5, 0.0))).loc["cr3"]
    assert got["df"] < 9
    normal = 2 * stats.norm.sf(abs(got["statistic"]))
    assert got["p_value"] > normal


def test_trap_a_cluster_that_holds_more_than_half_an_arm(tables):
    """Its residual is small because it made the mean: CR3 gives back what CR0 overlooks."""
    rng = np.random.default_rng(44)
    sizes = np.array([900, 30, 30, 30])
    market = np.repeat(np.arange(4), sizes)
    big = {"cluster": market, "numerator": rng.normal(0, 1, 4)[market] + rng.normal(0, 1, market.size)}
    other = market_arm(rng, 4, 0.0)
    row = estimates(*tables({k: other[k] for k in ("cluster", "numerator")}, big)).loc["cr3"]
    totals = [np.bincount(arm["cluster"], arm["numerator"]) for arm in (other, big)]
    size = [np.bincount(arm["cluster"]) for arm in (other, big)]
    moments = cluster_moments(np.repeat([0, 1], 4), np.concatenate(size), np.concatenate(totals))
    plain = cluster_difference(cluster_arm(moments).at(0), cluster_arm(moments).at(1), kind="CR0")
    assert row["effect_se"] > 2 * plain.se
    assert row["df"] < 4


def test_trap_all_of_the_denominator_in_one_cluster(tables):
    rng = np.random.default_rng(45)
    control, treatment = market_arm(rng, 5, 0.0, ratio=True), market_arm(rng, 5, 0.0, ratio=True)
    only = treatment["cluster"] == 2
    treatment["denominator"] = np.where(only, treatment["denominator"] + 1, 0)
    treatment["numerator"] = np.where(only, treatment["numerator"], 0.0)
    got = estimates(*tables(control, treatment, metric_type="ratio"))
    for name in ("cr3", "wild_bootstrap"):
        assert got.loc[name, "status"] == "too_few_clusters"
        assert np.isnan(got.loc[name, ["p_value", "effect_se", "effect_ci_low"]].astype(float)).all()
    assert np.isfinite(got["effect"]).all()


def test_trap_a_constant_metric_with_an_error_of_rounding(tables):
    rng = np.random.default_rng(46)
    for ratio in (False, True):
        arms = [market_arm(rng, 5, 0.0, ratio=ratio) for _ in range(2)]
        for arm in arms:
            arm["numerator"] = 0.1 * np.asarray(arm.get("denominator", np.ones(arm["cluster"].size)), float)
        got = estimates(*tables(*arms, metric_type="ratio" if ratio else "mean"))
        assert set(got["status"]) == {"zero_variance"}
        assert got["p_value"].isna().all() and got["effect_se"].isna().all() and got["effect_ci_low"].isna().all()
        assert got["effect"].to_numpy() == pytest.approx(0.0, abs=1e-12)


def test_a_perfect_covariate_leaves_nothing_to_test_by_a_standard_error(tables):
    rng = np.random.default_rng(47)
    arms = [market_arm(rng, 5, 0.0) for _ in range(2)]
    for arm in arms:
        arm["numerator"] = 3.0 * arm["covariate"] + 1.0
    got = estimates(*tables(*arms))
    assert set(got.loc[["cr3", "wild_bootstrap"], "status"]) == {"zero_variance"}
    assert got.loc["randomization", "p_value"] == 1.0


def test_a_zero_denominator_has_no_ratio(tables):
    rng = np.random.default_rng(48)
    arms = [market_arm(rng, 5, 0.0, ratio=True) for _ in range(2)]
    arms[1] |= {"denominator": np.zeros(arms[1]["cluster"].size), "numerator": np.zeros(arms[1]["cluster"].size)}
    got = estimates(*tables(*arms, metric_type="ratio"))
    assert set(got["status"]) == {"zero_denominator"}
    assert got[["effect", "p_value", "effect_ci_low"]].isna().all(axis=None)


def test_clusters_without_a_denominator_count_in_the_assignment_only(tables):
    rng = np.random.default_rng(49)
    arms = [market_arm(rng, 6, 0.0, ratio=True) for _ in range(2)]
    silent = arms[0]["cluster"] == 3
    for name in TOTALS:
        arms[0][name] = np.where(silent, 0, arms[0][name])
    got = estimates(*tables(*arms, metric_type="ratio"))
    assert set(got["status"]) == {"ok"}
    assert got.loc["randomization", "p_value_resolution"] == pytest.approx(1 / 924)


def test_comparisons_of_units_of_many_clusters_and_of_earlier_looks_have_no_rows(tables):
    rng = np.random.default_rng(50)
    comparisons, totals = tables(market_arm(rng, 5, 0.0), market_arm(rng, 5, 0.0))
    for change in ({"is_clustered": False}, {"is_last_look": False}, {"plan_key": 99}, {"dimension": "country"},
                   {"metric_type": "quantile"}):  # fmt: skip
        assert frame_of(cluster_estimates(comparisons.assign(**change), totals)).empty
    assert frame_of(cluster_estimates(comparisons, totals.iloc[:0])).empty
    assert frame_of(cluster_estimates(comparisons.iloc[:0], totals)).empty
