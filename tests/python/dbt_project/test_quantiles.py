"""Quantile metrics end to end, against NumPy on the rows: zeros, ties, negative values, events and clusters."""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd
import pytest

from python_stats.quantiles.index_comparison import quantile_difference
from python_stats.quantiles.order_statistics import order_statistic_window

ARMS = ("control", "treatment")
START, AS_OF = pd.Timestamp("2024-01-01"), "2024-01-20"

UNIT_METRICS = {
    "spend_p50": ("spend", 0.5),
    "spend_p90": ("spend", 0.9),
    "spend_p99": ("spend", 0.99),
    "balance_p10": ("balance", 0.1),
    "balance_p45": ("balance", 0.45),
    "balance_p90": ("balance", 0.9),
    "points_p50": ("points", 0.5),
    "few_p50": ("few", 0.5),
}

# shift of 7, scale of 3, and the arms exchanged: each an experiment on the same values.
VARIANTS = {"plain": (1.0, 0.0), "scaled": (3.0, 0.0), "shifted": (1.0, 7.0), "swapped": (1.0, 0.0)}


def unit_values(seed: int, size: int, lift: float) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    active = rng.random(size) < 0.4
    return {
        "spend": np.where(active, lift * rng.lognormal(3, 1, size), 0.0),
        # Three tenths are zero, and negative values lie below them.
        "balance": np.where(rng.random(size) < 0.7, rng.normal(0.1 * lift, 5.0, size), 0.0),
        "points": rng.poisson(3, size).astype(float),
        "few": np.where(np.arange(size) < 3, 1.0 + np.arange(size), 0.0),
        "steady": rng.gamma(9.0, lift, size),
    }


UNITS = {"control": unit_values(1, 2100, 1.0), "treatment": unit_values(2, 1900, 1.25)}


def events(seed: int, units: int, per_unit: float, shift: float, sd: float = 0.4) -> tuple[np.ndarray, np.ndarray]:
    """Latencies of users who each have a level of their own."""
    rng = np.random.default_rng(seed)
    level = rng.normal(0.0, sd, units)
    user = np.repeat(np.arange(units), rng.poisson(per_unit, units))
    return user, 100.0 * np.exp(shift + level[user] + 0.5 * rng.normal(size=user.size))


EVENTS = {"control": events(3, 2500, 16.0, 0.0), "treatment": events(4, 2500, 16.0, 0.05)}
# A row a day; those after the seventh are outside of the window.
DAYS_OF_SESSIONS = {"control": events(5, 700, 3.0, 0.0), "treatment": events(6, 650, 3.0, 0.2)}


def day_of(user: np.ndarray) -> np.ndarray:
    return pd.Series(user).groupby(user).cumcount().to_numpy()


SESSIONS = {arm: (user[day_of(user) < 7], value[day_of(user) < 7]) for arm, (user, value) in DAYS_OF_SESSIONS.items()}

CLUSTERS = 24


def clustered(seed: int, lift: float) -> tuple[np.ndarray, np.ndarray]:
    """Values of units in clusters of unequal sizes, a third of them zero."""
    rng = np.random.default_rng(seed)
    cluster = np.repeat(np.arange(CLUSTERS), rng.integers(40, 120, CLUSTERS))
    value = lift * np.exp(2 + rng.normal(0.0, 0.4, CLUSTERS)[cluster] + 0.6 * rng.normal(size=cluster.size))
    return cluster, np.where(rng.random(cluster.size) < 1 / 3, 0.0, value)


CLUSTERED = {"control": clustered(7, 1.0), "treatment": clustered(8, 1.3)}


def assignment_of(exp_id: str, arm: str, size: int, day: int = 0) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "exp_id": exp_id,
            "unit_id": [f"{exp_id}-{arm}-{i}" for i in range(size)],
            "variant_id": arm,
            "assigned_at": (START + pd.Timedelta(days=day, hours=9)).as_unit("us"),
        }
    )


def event_tables() -> dict[str, pd.DataFrame]:
    """Events at random moments of the window, and some that must not count: before it, after it, of immature units."""
    assignment, event = [], []
    for arm, (user, value) in EVENTS.items():
        rng = np.random.default_rng(len(arm))
        assigned_at = START + pd.Timedelta(hours=9)
        at = assigned_at + pd.to_timedelta(rng.integers(0, 7 * 86400, user.size), unit="s")
        unit = np.array([f"latency-{arm}-{i}" for i in user])
        extra = pd.DataFrame(
            {
                "unit_id": [f"latency-{arm}-{i}" for i in range(300)],
                "event_at": assigned_at + pd.to_timedelta(np.where(np.arange(300) % 2 == 0, -1, 7 * 86400), unit="s"),
                "kpi_value": 1e6,
            }
        )
        late = pd.DataFrame(
            {
                "unit_id": [f"latency-late-{arm}-{i}" for i in range(50)],
                "event_at": START + pd.Timedelta(days=17, hours=10),
                "kpi_value": 1e6,
            }
        )
        event += [pd.DataFrame({"unit_id": unit, "event_at": at, "kpi_value": value}), extra, late]
        young = assignment_of("latency", arm, 50, day=17)
        young["unit_id"] = late["unit_id"]
        assignment += [assignment_of("latency", arm, 2500), young]
    table = pd.concat(event, ignore_index=True).assign(kpi_name="latency_ms")
    return {
        "experiment": experiment("latency", "latency_ms"),
        "variant": variants("latency"),
        "assignment": pd.concat(assignment, ignore_index=True),
        "kpi_event": table.astype({"event_at": "datetime64[us]"}),
    }


def experiment(exp_id: str, kpi: str) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "exp_id": [exp_id],
            "name": [exp_id],
            "start_time": [START.as_unit("us")],
            "end_time": [pd.Timestamp("2024-02-01").as_unit("us")],
            "unit": ["user"],
            "primary_kpi": [kpi],
        }
    )


def variants(exp_id: str) -> pd.DataFrame:
    return pd.DataFrame({"exp_id": exp_id, "variant_id": list(ARMS), "traffic_pct": 0.5})


def daily_tables() -> dict[str, pd.DataFrame]:
    """Several days of a unit, one row each; some days come twice and count once."""
    assignment, outcome = [], []
    for arm, (user, value) in DAYS_OF_SESSIONS.items():
        rows = pd.DataFrame(
            {
                "exp_id": "sessions",
                "unit_id": [f"sessions-{arm}-{i}" for i in user],
                "metric_date": (START + pd.to_timedelta(day_of(user), unit="D")).date,
                "kpi_name": "session_ms",
                "kpi_value": value,
                "loaded_at": pd.Timestamp("2024-01-10").as_unit("us"),
            }
        )
        # A day counts by its first load: the repeat's value must never be seen.
        repeats = rows[rows["unit_id"].str.endswith("7")].assign(
            kpi_value=1e6, loaded_at=pd.Timestamp("2024-01-11").as_unit("us")
        )
        outcome += [rows, repeats]
        assignment.append(assignment_of("sessions", arm, user.max() + 20))
    return {
        "experiment": experiment("sessions", "session_ms"),
        "variant": variants("sessions"),
        "assignment": pd.concat(assignment, ignore_index=True),
        "kpi_outcome": pd.concat(outcome, ignore_index=True),
    }


def metric(metric_id: str, kpi: str, quantile: float | None, **more: object) -> dict[str, object]:
    return {
        "metric_id": metric_id, "metric_type": "quantile", "numerator_kpi": kpi, "aggregation": None,
        "window_start_day": 0, "window_end_day": 7, "threshold": None, "cap_lower": None, "cap_upper": None,
        "quantile": quantile, "covariate_days": 0, "direction": "decrease", **more,
    }  # fmt: skip


METRICS = [
    *(metric(name, kpi, q, aggregation="sum") for name, (kpi, q) in UNIT_METRICS.items()),
    metric("spend_floor_p50", "spend", 0.5, aggregation="sum", cap_lower=5.0),
    metric("spend_floor_p90", "spend", 0.9, aggregation="sum", cap_lower=5.0),
    metric("steady_p75", "steady", 0.75, aggregation="max"),
    metric("latency_p50", "latency_ms", 0.5),
    metric("latency_p99", "latency_ms", 0.99),
    metric("latency_unit_p90", "latency_ms", 0.9, aggregation="sum"),
    metric("session_p50", "session_ms", 0.5),
    metric("sales_p75", "sales", 0.75, aggregation="sum"),
    metric("sale_p75", "sales", 0.75),
    metric("no_quantile", "spend", None),
    metric("quantile_of_one", "spend", 1.0),
    metric("threshold_quantile", "spend", 0.5, aggregation="sum", threshold=3.0),
    metric("capped_facts", "spend", 0.5, cap_upper=3.0),
]


def planned(exp_id: str, metric_ids: list[str], **more: object) -> pd.DataFrame:
    return pd.DataFrame({"exp_id": exp_id, "metric_id": metric_ids, "role": "secondary", **more})


@pytest.fixture(scope="module")
def built(shared_project, write_experiment, stack):
    """Build every case as an experiment of one programme."""
    programmes = []
    for name, (scale, shift) in VARIANTS.items():
        arms = {arm: UNITS[arm]["steady"] * scale + shift for arm in ARMS}
        if name == "swapped":
            arms = {"control": arms["treatment"], "treatment": arms["control"]}
        programmes.append(write_experiment(name, {arm: {"steady": value} for arm, value in arms.items()}))
    programmes.append(write_experiment("units", UNITS))
    sales = write_experiment(
        "markets",
        {arm: {"sales": value} for arm, (_, value) in CLUSTERED.items()},
        clusters={arm: [f"{arm}-{c}" for c in cluster] for arm, (cluster, _) in CLUSTERED.items()},
    )
    shown = write_experiment("shown", {arm: {"steady": UNITS[arm]["steady"]} for arm in ARMS})
    shown["exposure"] = (
        shown["assignment"]
        .iloc[::2][["exp_id", "unit_id"]]
        .assign(exposed_at=shown["assignment"]["assigned_at"].iloc[::2] + pd.Timedelta(minutes=1))
    )
    tables = stack(*programmes, sales, shown, event_tables(), daily_tables())
    plan = [
        planned("units", [m["metric_id"] for m in METRICS if m["numerator_kpi"] in UNITS["control"]]),
        *(planned(name, ["steady_p75"]) for name in [*VARIANTS, "shown"]),
        planned("latency", ["latency_p50", "latency_p99", "latency_unit_p90"]),
        planned("sessions", ["session_p50"]),
        planned("markets", ["sales_p75", "sale_p75"]),
    ]
    return shared_project.load(
        **tables, metric=pd.DataFrame(METRICS), experiment_metric=pd.concat(plan, ignore_index=True)
    ).must_run(as_of=AS_OF)


def window(values, q):
    """Return what SQL hands over, from a sort of everything."""
    ranks = order_statistic_window(len(values), q)
    first, last = int(ranks.first_rank), int(ranks.last_rank)
    return len(values), first, np.sort(values)[first - 1 : last]


def check_arms(row, values, q):
    """The arms' quantiles and their difference are NumPy's on the rows."""
    want = [np.quantile(value, q) for value in values]
    assert row["estimator"] == "quantile" and row["metric_type"] == "quantile"
    assert [row["mean_control"], row["mean_treatment"]] == pytest.approx(want, rel=1e-12, abs=1e-12)
    assert row["effect"] == pytest.approx(want[1] - want[0], rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("metric_id", UNIT_METRICS)
def test_quantiles_of_unit_values_are_those_of_all_units_zeros_included(built, metric_id):
    kpi, q = UNIT_METRICS[metric_id]
    values = [UNITS[arm][kpi] for arm in ARMS]
    row = built.result("units", metric_id)
    check_arms(row, values, q)
    assert [row["n_control"], row["n_treatment"]] == [len(value) for value in values]
    whole = quantile_difference(*window(values[0], q), *window(values[1], q), q)
    assert bool(whole.undefined) == (metric_id in ("spend_p50", "balance_p45", "points_p50", "few_p50"))
    if whole.undefined:
        assert row["status"] == "undefined_quantile"
        assert row[["effect_se", "effect_ci_low", "effect_ci_high", "p_value", "lift_ci_low"]].isna().all()
        return
    assert row["status"] == "ok"
    for column, number in {
        "effect_se": whole.se, "p_value": whole.p_value, "effect_ci_low": whole.ci_low,
        "effect_ci_high": whole.ci_high, "lift": whole.lift, "lift_ci_low": whole.lift_ci_low,
    }.items():  # fmt: skip
        assert row[column] == pytest.approx(float(number), rel=1e-6, abs=1e-8, nan_ok=True), column
    assert pd.isna(row["statistic"])


def test_standard_error_is_that_of_resampled_units(built):
    rng = np.random.default_rng(9)
    for metric_id, limit in {"spend_p90": 0.1, "spend_p99": 0.15, "balance_p10": 0.1}.items():
        kpi, q = UNIT_METRICS[metric_id]
        drawn = [np.quantile(rng.choice(UNITS[arm][kpi], (1000, len(UNITS[arm][kpi]))), q, axis=1) for arm in ARMS]
        row = built.result("units", metric_id)
        assert row["effect_se"] == pytest.approx((drawn[1] - drawn[0]).std(), rel=limit)
        low, high = np.quantile(drawn[1] - drawn[0], [0.025, 0.975])
        width = high - low
        assert row["effect_ci_low"] == pytest.approx(low, abs=0.15 * width)
        assert row["effect_ci_high"] == pytest.approx(high, abs=0.15 * width)


def test_trap_bounds_that_collapse_on_ties_are_refused(built):
    for metric_id in ("points_p50", "spend_p50"):
        row = built.result("units", metric_id)
        assert row["status"] == "undefined_quantile"
        assert row[["p_value", "effect_se", "effect_ci_low", "p_value_adjusted"]].isna().all()
        assert row["effect"] == 0.0


def test_a_lower_cap_lifts_the_block_of_zeros(built):
    values = [np.maximum(UNITS[arm]["spend"], 5.0) for arm in ARMS]
    floor = built.result("units", "spend_floor_p50")
    assert floor["status"] == "undefined_quantile" and floor["mean_control"] == 5.0
    check_arms(built.result("units", "spend_floor_p90"), values, 0.9)


def test_order_statistics_are_the_window_around_the_quantile(built):
    runs = built.internal("order_statistic").merge(
        built.internal("plan_metric")[["plan_key", "exp_id", "metric_id"]], on="plan_key"
    )
    for metric_id in ("spend_p50", "spend_p90", "balance_p10"):
        kpi, q = UNIT_METRICS[metric_id]
        for arm in ARMS:
            cell = runs.query("exp_id == 'units' and metric_id == @metric_id and variant_id == @arm").sort_values(
                "rank"
            )
            n, first, ordered = window(UNITS[arm][kpi], q)
            assert cell["rank"].iloc[0] == first
            np.testing.assert_allclose(np.repeat(cell["value"], cell["n_equal"]), ordered, rtol=1e-12)
            assert cell["value"].is_unique
            assert cell["n"].unique().tolist() == [n]
    # A window inside the block of zeros is one row.
    zeros = runs.query("exp_id == 'units' and metric_id == 'spend_p50' and value == 0")
    assert len(zeros) == 2
    assert (zeros["n_equal"] > 200).all()


@pytest.mark.parametrize(("name", "scale"), [("scaled", 3.0), ("shifted", 1.0), ("swapped", -1.0)])
def test_shift_scale_and_swap(built, name, scale):
    plain, other = built.result("plain", "steady_p75"), built.result(name, "steady_p75")
    check_arms(plain, [UNITS[arm]["steady"] for arm in ARMS], 0.75)
    assert other["effect"] == pytest.approx(scale * plain["effect"], rel=1e-9)
    assert other["effect_se"] == pytest.approx(abs(scale) * plain["effect_se"], rel=1e-6)
    limits = sorted(scale * plain[column] for column in ("effect_ci_low", "effect_ci_high"))
    assert [other["effect_ci_low"], other["effect_ci_high"]] == pytest.approx(limits, rel=1e-6)
    assert other["p_value"] == pytest.approx(plain["p_value"], rel=1e-6)


def test_exposed_units_have_quantiles_of_their_own(built):
    rows = built.table("experiment_results").query("exp_id == 'shown' and metric_id == 'steady_p75'")
    rows = rows.set_index("population")
    values = np.concatenate([UNITS[arm]["steady"] for arm in ARMS])
    exposed = np.arange(len(values)) % 2 == 0
    control = np.arange(len(values)) < len(UNITS["control"]["steady"])
    check_arms(rows.loc["assigned"], [values[control], values[~control]], 0.75)
    check_arms(rows.loc["exposed"], [values[control & exposed], values[~control & exposed]], 0.75)
    assert rows.loc["exposed", "n_control"] == (control & exposed).sum()


def grouped_bootstrap(arms, q, seed, draws=400):
    """Quantiles of resampled groups, all values of a group together."""
    rng = np.random.default_rng(seed)
    drawn = []
    for group, value in arms:
        order = np.argsort(value)
        member, ordered = group[order], value[order]
        groups = group.max() + 1
        out = np.empty(draws)
        for i in range(draws):
            weight = np.bincount(rng.integers(0, groups, groups), minlength=groups)[member].cumsum()
            out[i] = ordered[np.searchsorted(weight, q * weight[-1])]
        drawn.append(out)
    return (drawn[1] - drawn[0]).std()


@pytest.mark.parametrize(("metric_id", "q"), [("latency_p50", 0.5), ("latency_p99", 0.99)])
def test_quantiles_of_events_with_units_as_clusters(built, metric_id, q):
    row = built.result("latency", metric_id)
    check_arms(row, [value for _, value in EVENTS.values()], q)
    assert row["status"] == "ok"
    assert row["n_control"] == row["n_treatment"] == 2500
    assert row["effect_se"] == pytest.approx(grouped_bootstrap(EVENTS.values(), q, 10), rel=0.15)
    assert row["statistic"] == pytest.approx(row["effect"] / row["effect_se"])
    assert row["lift"] == pytest.approx(row["mean_treatment"] / row["mean_control"] - 1)
    assert row["lift_ci_low"] < row["lift"] < row["lift_ci_high"]


def test_trap_clustered_events_analysed_as_rows(built):
    control, treatment = (window(value, 0.5) for _, value in EVENTS.values())
    naive = quantile_difference(*control, *treatment, 0.5)
    assert built.result("latency", "latency_p50")["effect_se"] > 1.5 * float(naive.se)


def share_variance(group, value, q):
    """CR2 variance of the share of values at or below the sample quantile, and its Satterthwaite trace."""
    below = (value <= np.quantile(value, q)).astype(float)
    size, total = np.bincount(group).astype(float), np.bincount(group, below)
    size, total = size[size > 0], total[size > 0]
    share = size / size.sum()
    residual = total - below.mean() * size
    leverage = share**2 / (1 - share)
    return (
        (residual**2 / (1 - share)).sum() / size.sum() ** 2,
        (share**2).sum() + leverage.sum() ** 2 - (leverage**2).sum(),
    )


def test_variance_of_the_share_below_is_cluster_robust(built):
    shares = built.internal("share_below").merge(
        built.internal("plan_metric")[["plan_key", "exp_id", "metric_id"]], on="plan_key"
    )
    zero_free = {arm: (c[v != 0], v[v != 0]) for arm, (c, v) in CLUSTERED.items()}
    cases = {"latency_p99": (EVENTS, 0.99), "session_p50": (SESSIONS, 0.5), "sales_p75": (CLUSTERED, 0.75),
             "sale_p75": (zero_free, 0.75)}  # fmt: skip
    for metric_id, (arms, q) in cases.items():
        for arm, (group, value) in arms.items():
            row = shares[(shares["metric_id"] == metric_id) & (shares["variant_id"] == arm)].iloc[0]
            variance, trace = share_variance(group, value, q)
            assert row["n"] == len(value), metric_id
            assert row["clusters"] == len(np.unique(group))
            assert row["variance_below"] == pytest.approx(variance, rel=1e-9), metric_id
            assert row["satterthwaite_trace"] == pytest.approx(trace, rel=1e-9), metric_id


def test_quantiles_of_daily_rows_count_each_day_once(built):
    row = built.result("sessions", "session_p50")
    check_arms(row, [value for _, value in SESSIONS.values()], 0.5)
    assert row["effect_se"] == pytest.approx(grouped_bootstrap(SESSIONS.values(), 0.5, 11), rel=0.15)
    assert row["n_control"] == DAYS_OF_SESSIONS["control"][0].max() + 20
    issues = built.issues()
    assert sum(count for (_, exp_id, reason), count in issues.items() if exp_id == "sessions") > 0
    assert {reason for (_, exp_id, reason) in issues if exp_id == "sessions"} == {"duplicate_outcome"}


def test_clustered_assignment_has_cluster_robust_quantiles_and_few_degrees_of_freedom(built):
    row = built.result("markets", "sales_p75")
    check_arms(row, [value for _, value in CLUSTERED.values()], 0.75)
    assert row["status"] == "ok"
    assert [row["clusters_control"], row["clusters_treatment"]] == [CLUSTERS, CLUSTERS]
    assert 30 < row["df"] < 46
    assert row["effect_se"] == pytest.approx(grouped_bootstrap(CLUSTERED.values(), 0.75, 12, 1000), rel=0.2)
    single = built.result("markets", "sale_p75")
    check_arms(single, [value[value != 0] for _, value in CLUSTERED.values()], 0.75)
    control, treatment = (window(value, 0.75) for _, value in CLUSTERED.values())
    assert row["effect_se"] > 1.5 * float(quantile_difference(*control, *treatment, 0.75).se)


def test_quantile_metrics_that_cannot_be_computed_say_why(built):
    results = built.results("units")
    assert results.loc[["no_quantile", "quantile_of_one", "threshold_quantile"], "status"].eq("bad_quantile").all()
    assert results.loc["capped_facts", "status"] == "bad_cap"
    refused = results[results["status"].isin(["bad_quantile", "bad_cap"])]
    assert refused[["effect", "mean_control", "mean_treatment", "p_value"]].isna().all().all()


def test_no_difference_of_means_is_shown_for_a_quantile(built):
    estimates = built.table("metric_estimate").query("metric_type == 'quantile'")
    assert not set(estimates["estimator"]) & {"difference", "cluster", "cuped", "cluster_cuped"}
    quantiles = estimates[estimates["estimator"] == "quantile"]
    assert quantiles["is_headline"].all()
    assert not quantiles.duplicated(["exp_id", "metric_id", "variant_id", "population"]).any()
    assert len(quantiles) == len(built.table("experiment_results").query("metric_type == 'quantile'"))


def test_looks_say_that_a_quantile_is_not_monitored(built):
    daily = built.table("experiment_results_daily").query("metric_type == 'quantile' and exp_id == 'units'")
    assert set(daily["metric_id"]) == {m["metric_id"] for m in METRICS if m["numerator_kpi"] in UNITS["control"]}
    assert set(daily["status"]) == {"estimator_unavailable", "bad_quantile", "bad_cap"}
    assert daily[["mean_control", "effect", "p_value"]].isna().all().all()


# ---- the selection of order statistics, on values that a sample would mislead


@pytest.fixture(scope="module")
def selection(dbt_session, tmp_path_factory):
    """Compile the macro to plain SQL on two tables."""
    path = tmp_path_factory.mktemp("inline") / "warehouse.duckdb"
    query = "with wanted as (from cells), stored as (from rows_of_cells) "
    query += "from ({{ dbt_experiments.order_statistics('wanted', 'stored') }}) order by variant_key, rank"
    compiled = dbt_session._invoke(["compile", "--inline", query, "--vars", "{demo: true}"], path)
    assert compiled.success, compiled.exception
    return compiled.result.results[0].node.compiled_code


def adversarial(kind: str, size: int) -> np.ndarray:
    rng = np.random.default_rng(size)
    value = rng.lognormal(size=size)
    if kind == "sampled rows are the smallest":
        value[::64] = -rng.random(len(value[::64]))
    elif kind == "sampled rows are the largest":
        value[::64] = 1e6 + rng.random(len(value[::64]))
    elif kind == "sorted":
        value = np.sort(value)
    elif kind == "ties":
        value = rng.poisson(2.0, size).astype(float)
    elif kind == "constant":
        value[:] = 0.0
    elif kind == "around zero":
        value = rng.normal(size=size)
    return value


@pytest.mark.parametrize(
    "kind",
    [
        "random",
        "sampled rows are the smallest",
        "sampled rows are the largest",
        "sorted",
        "ties",
        "constant",
        "around zero",
    ],
)
def test_selection_is_the_sort_of_everything(selection, kind):
    cells = [
        (size, n_silent, silent, q)
        for size in (1, 7, 30_000)
        for n_silent, silent in ((0, None), (20_000, 0.0), (3, 1.5))
        for q in (0.01, 0.5, 0.999)
    ]
    stored, wanted, sorted_values = [], [], []
    for key, (size, n_silent, silent, q) in enumerate(cells):
        value = adversarial(kind, size)
        everything = np.sort(np.append(value, np.full(n_silent, silent, dtype=float)))
        ranks = order_statistic_window(everything.size, q, 4.0)
        first, last = int(ranks.first_rank), int(ranks.last_rank)
        wanted.append((1, key, first, last, np.sqrt(everything.size * q * (1 - q)), silent, n_silent))
        sorted_values.append(everything[first - 1 : last])
        stored.append(pd.DataFrame({"plan_key": 1, "variant_key": key, "value_key": np.arange(size), "value": value}))
    columns = ["plan_key", "variant_key", "first_rank", "last_rank", "rank_sd", "silent", "n_silent"]
    with duckdb.connect() as connection:
        connection.register("cells", pd.DataFrame(wanted, columns=columns).astype({"silent": "float64"}))
        connection.register("rows_of_cells", pd.concat(stored, ignore_index=True))
        runs = connection.execute(selection).df()
    for key, want in enumerate(sorted_values):
        cell = runs[runs["variant_key"] == key]
        np.testing.assert_array_equal(np.repeat(cell["value"], cell["n_equal"]), want)
        assert cell["rank"].iloc[0] == wanted[key][2]
        assert (cell["rank"].diff().dropna() == cell["n_equal"].iloc[:-1].to_numpy()).all()
