"""Windows, maturity, events and `as_of`."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

US = pd.Timedelta(microseconds=1)


def timestamps(values):
    return pd.Series(pd.to_datetime(pd.Series(list(values)), format="ISO8601")).astype("datetime64[us]").to_numpy()


def two_variants(*exp_ids):
    return pd.DataFrame(
        [(e, v, 0.5) for e in exp_ids for v in ("control", "treatment")],
        columns=["exp_id", "variant_id", "traffic_pct"],
    )


def experiment(exp_id, primary, start="2024-01-01", end=None):
    table = pd.DataFrame({"exp_id": [exp_id], "name": exp_id, "unit": "user", "primary_kpi": primary})
    return table.assign(start_time=timestamps([start]), end_time=timestamps([end or "NaT"]))


def assigned(rows):
    table = pd.DataFrame(rows, columns=["exp_id", "unit_id", "variant_id", "assigned_at"])
    return table.assign(assigned_at=timestamps(table["assigned_at"]))


def outcome(rows):
    table = pd.DataFrame(rows, columns=["exp_id", "unit_id", "metric_date", "kpi_name", "kpi_value"])
    return table.assign(metric_date=pd.to_datetime(table["metric_date"]).dt.date)


def metrics(rows):
    columns = ["metric_id", "numerator_kpi", "aggregation", "window_start_day", "window_end_day", "covariate_days"]
    return pd.DataFrame(rows, columns=columns).astype({"window_end_day": "Int64"})


def unit_values(project, metric_id, column="numerator"):
    """Values of the units that are not zero."""
    rows = project.internal("unit_metric").query("metric_id == @metric_id").set_index("unit_id")[column]
    return {unit: value for unit, value in rows.items() if value != 0 and not pd.isna(value)}


# --- windows on daily facts -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def daily(new_project):
    """Units assigned late in the evening; facts on the first and last day of each window and one day beside them."""
    offsets = (-15, -14, -4, -3, -1, 0, 1, 2, 3, 6, 7, 13, 14, 30)
    # Each day is a power of two, so that a total says which days it counts.
    rows = [
        ("w", unit, pd.Timestamp("2024-02-01") + pd.Timedelta(days=day), "x", 2.0**i)
        for unit in ("c1", "t1")
        for i, day in enumerate(offsets)
    ]
    rows.append(("w", "t2", "2024-02-29", "x", 1.0))
    kinds = ["sum", "max", "min", "last", "count", "count_days", "any"]
    days = {"2024-02-01": 5.0, "2024-02-02": -2.0, "2024-02-03": 0.0, "2024-02-04": 3.0, "2024-02-10": 100.0}
    rows += [("w", "c1", day, "y", value) for day, value in days.items()]
    rows += [("w", "t1", "2024-02-02", "y", -4.0), ("w", "t1", "2024-01-30", "y", 9.0)]
    project = new_project().load(
        experiment=experiment("w", "x"),
        variant=two_variants("w"),
        assignment=assigned(
            [
                ("w", "c1", "control", "2024-02-01 23:59:59.999999"),
                ("w", "c2", "control", "2024-02-01"),
                ("w", "t1", "treatment", "2024-02-01 00:00:00.000001"),
                ("w", "t2", "treatment", "2024-02-02 00:00:00"),
            ]
        ),
        kpi_outcome=outcome(rows),
        metric=metrics(
            [
                ("first_day", "x", "sum", 0, 1, 1),
                ("first_week", "x", "sum", 0, 7, 3),
                ("days_1_to_2", "x", "sum", 1, 3, 14),
                ("second_week", "x", "sum", 7, 14, 0),
                ("ever", "x", "sum", 0, None, 0),
                *((f"{kind}_of_y", "y", kind, 0, 7, 7) for kind in kinds),
            ]
        ),
    )
    return project.must_run(as_of="2024-02-16"), offsets


@pytest.mark.parametrize(
    ("metric_id", "start", "end"),
    [("first_day", 0, 1), ("first_week", 0, 7), ("days_1_to_2", 1, 3), ("second_week", 7, 14), ("ever", 0, 15)],
)
def test_windows_are_whole_days_after_assignment(daily, metric_id, start, end):
    project, offsets = daily
    total = sum(2.0**i for i, day in enumerate(offsets) if start <= day < end)
    assert unit_values(project, metric_id) == {"c1": total, "t1": total}


@pytest.mark.parametrize(("metric_id", "days"), [("first_day", 1), ("first_week", 3), ("days_1_to_2", 14)])
def test_pre_period_is_the_days_before_the_day_of_assignment(daily, metric_id, days):
    project, offsets = daily
    total = sum(2.0**i for i, day in enumerate(offsets) if -days <= day < 0)
    assert unit_values(project, metric_id, "covariate") == {"c1": total, "t1": total}


@pytest.mark.parametrize(
    ("kind", "c1", "t1"),
    [
        ("sum", 6, -4),
        ("max", 5, -4),
        ("min", -2, -4),
        ("last", 3, -4),
        ("count", 4, 1),
        ("count_days", 3, 1),
        ("any", 1, 1),
    ],
)
def test_aggregations(daily, kind, c1, t1):
    assert unit_values(daily[0], f"{kind}_of_y") == {"c1": c1, "t1": t1}
    before = {"count": 1, "count_days": 1, "any": 1}.get(kind, 9)
    assert unit_values(daily[0], f"{kind}_of_y", "covariate") == {"t1": before}


def test_maturity_counts_units_whose_window_has_closed(daily):
    """As of 2024-02-16, everybody has closed the second week, but not after one day less."""
    project, _ = daily
    rows = project.results("w")
    assert rows.loc["second_week", ["n_control", "n_treatment"]].tolist() == [2, 2]
    assert rows.loc["second_week", "maturity_share"] == 1
    # An open window is read as it is, and the row says so by its status and its mature units.
    assert rows.loc["ever", ["n_control", "n_treatment"]].tolist() == [2, 2]


def test_open_windows_are_marked(daily):
    plan = daily[0].internal("plan_metric").set_index("metric_id")
    assert plan["is_open_window"].to_dict()["ever"] and not plan["is_open_window"].to_dict()["first_week"]


def test_an_open_window_ends_with_the_experiment(project):
    project.load(
        experiment=experiment("w", "x", end="2024-02-05 12:00:00"),
        variant=two_variants("w"),
        assignment=assigned([("w", "c", "control", "2024-02-01"), ("w", "t", "treatment", "2024-02-01")]),
        kpi_outcome=outcome([("w", "t", f"2024-02-0{day}", "x", 10.0**day) for day in range(1, 9)]),
        metric=metrics([("ever", "x", "sum", 0, None, 0)]),
    ).must_run()
    # The day on which the experiment ends still counts: daily facts have no hours.
    assert unit_values(project, "ever") == {"t": sum(10.0**day for day in range(1, 6))}


def test_immature_units_count_nowhere(new_project):
    """Numerator, denominator and n come from the same mature units, day by day."""
    rng = np.random.default_rng(2)
    units = [
        ("m", f"{variant}{i}", variant, pd.Timestamp("2024-01-01") + pd.Timedelta(days=i % 10, hours=i % 24))
        for variant in ("control", "treatment")
        for i in range(100)
    ]
    facts = [
        ("m", unit, at.normalize() + pd.Timedelta(days=day), kpi, float(rng.integers(1, 9)))
        for (_, unit, _, at), day, kpi in itertools.product(units, range(0, 4), ("a", "b"))
        if rng.random() < 0.5
    ]
    project = new_project().load(
        experiment=experiment("m", "a"),
        variant=two_variants("m"),
        assignment=assigned(units),
        kpi_outcome=outcome(facts),
        metric=pd.DataFrame(
            [("a", "a", None, 0, 3), ("rate", "a", "b", 0, 3)],
            columns=["metric_id", "numerator_kpi", "denominator_kpi", "window_start_day", "window_end_day"],
        ),
    )
    frame = outcome(facts).merge(assigned(units), on=["exp_id", "unit_id"])
    frame["day"] = (pd.to_datetime(frame["metric_date"]) - frame["assigned_at"].dt.normalize()).dt.days
    project.must_run(as_of="2024-01-08")
    mature = assigned(units)
    mature = mature[mature["assigned_at"].dt.normalize() + pd.Timedelta(days=3) <= pd.Timestamp("2024-01-08")]
    kept = frame[(frame["day"] < 3) & frame["unit_id"].isin(mature["unit_id"])]
    totals = kept.groupby(["variant_id", "kpi_name"])["kpi_value"].sum().unstack()
    n = mature.groupby("variant_id").size()
    assert n["control"] == 50
    rows = project.results("m")
    for metric_id in ("a", "rate"):
        assert rows.loc[metric_id, ["n_control", "n_treatment"]].tolist() == [50, 50]
        # Seven of the ten days of assignment lie before as_of.
        assert rows.loc[metric_id, "maturity_share"] == pytest.approx(5 / 7)
    for arm in ("control", "treatment"):
        assert rows.loc["a", f"mean_{arm}"] == pytest.approx(totals.loc[arm, "a"] / n[arm], rel=1e-12)
        assert rows.loc["rate", f"mean_{arm}"] == pytest.approx(totals.loc[arm, "a"] / totals.loc[arm, "b"], rel=1e-12)
    daily = project.table("experiment_results_daily").query("metric_id == 'a'").set_index("look_date").sort_index()
    assert daily["n_control"].tolist() == [10, 20, 30, 40, 50]
    assert [day.date().isoformat() for day in pd.to_datetime(daily.index)] == [f"2024-01-0{d}" for d in range(4, 9)]


# --- events -----------------------------------------------------------------------------------------------------------

START = pd.Timestamp("2024-02-01 10:30:15.123456")


@pytest.fixture(scope="module")
def event_tables():
    day = pd.Timedelta(days=1)
    moments = {
        "x": [-3 * day - US, -3 * day, -US, 0 * US, US, day - US, day, 7 * day - US, 7 * day, 7 * day + US],
    }
    events = [
        (unit, START + at, "x", 2.0**i, f"{unit}-{i}") for unit in ("c1", "t1") for i, at in enumerate(moments["x"])
    ]
    events += [
        # The same id twice: the first loaded is kept.
        ("t1", START + day, "y", 3.0, "again"),
        ("t1", START + day, "y", 3.0, "again"),
        # Equal events without an id are two events.
        ("c1", START + day, "y", 3.0, None),
        ("c1", START + day, "y", 3.0, None),
        ("c1", START + day, "y", np.nan, "bad"),
        (None, START, "y", 1.0, "nobody"),
        ("c1", pd.Timestamp("2999-01-01"), "y", 1.0, "future"),
        # Nobody's unit: a fact of the company, not a fault.
        ("stranger", START, "y", 1.0, "stranger"),
    ]
    table = pd.DataFrame(events, columns=["unit_id", "event_at", "kpi_name", "kpi_value", "event_id"])
    return {
        "experiment": pd.concat([experiment("e", "x"), experiment("f", "x")]),
        "variant": two_variants("e", "f"),
        "assignment": assigned(
            [
                *((exp, "c1", "control", START) for exp in ("e", "f")),
                *((exp, "t1", "treatment", START) for exp in ("e", "f")),
                ("e", "c2", "control", pd.Timestamp("2024-02-01")),
                ("e", "t2", "treatment", pd.Timestamp("2024-02-01 00:00:00.000001")),
            ]
        ),
        "kpi_outcome": outcome([("e", "t1", "2024-02-20", "z", 1.0)]),
        "kpi_event": table.assign(event_at=timestamps(table["event_at"])),
        "metric": metrics(
            [
                ("first_week", "x", "sum", 0, 7, 3),
                ("second_day", "x", "sum", 1, 2, 0),
                ("active_days", "x", "count_days", 0, 7, 3),
                ("events", "x", "count", 0, 7, 3),
                ("last", "x", "last", 0, 7, 3),
                ("y", "y", "sum", 0, 7, 0),
            ]
        ),
    }


@pytest.fixture(scope="module")
def events(new_project, event_tables):
    return new_project().load(**event_tables).must_run()


@pytest.mark.parametrize(
    ("metric_id", "inside", "before"),
    [("first_week", range(3, 8), (1, 2)), ("second_day", (6,), ())],
)
def test_event_windows_are_exact_to_the_microsecond(events, metric_id, inside, before):
    total, pre = sum(2.0**i for i in inside), sum(2.0**i for i in before)
    rows = events.internal("unit_metric").query("metric_id == @metric_id")
    assert set(rows["exp_id"]) == {"e", "f"}
    assert set(rows.query("numerator != 0")["unit_id"]) == {"c1", "t1"}
    assert set(rows.query("numerator != 0")["numerator"]) == {total}
    if before:
        assert set(rows["covariate"]) == {pre}


def test_event_aggregations(events):
    assert unit_values(events, "active_days") == {"c1": 3, "t1": 3}
    assert unit_values(events, "active_days", "covariate") == {"c1": 2, "t1": 2}
    assert unit_values(events, "events") == {"c1": 5, "t1": 5}
    assert unit_values(events, "last") == {"c1": 2.0**7, "t1": 2.0**7}


def test_repeated_event_ids_count_once(events):
    assert unit_values(events, "y") == {"c1": 6.0, "t1": 3.0}
    issues = events.issues()
    assert issues["kpi_event", None, "duplicate_outcome"] == 1
    assert issues["kpi_event", None, "non_finite_value"] == 1
    assert issues["kpi_event", None, "null_key"] == 1
    assert issues["kpi_event", None, "future_outcome"] == 1
    assert sum(n for (table, _, _), n in issues.items() if table == "kpi_event") == 4


def test_event_windows_mature_at_the_hour_of_assignment(events):
    """Assigned at 10:30 on day 0, seven days close at 10:30 on day 7: not before day 8 begins."""
    looks = events.table("experiment_results_daily").query("exp_id == 'e' and metric_id == 'first_week'")
    looks = looks.set_index(pd.to_datetime(looks["look_date"]))[["n_control", "n_treatment"]].sort_index()
    assert looks.loc["2024-02-08"].tolist() == [1, 0]
    assert looks.loc["2024-02-09"].tolist() == [2, 2]
    assert len(looks) == 2


def test_a_bad_outcome_is_found_although_events_have_the_same_kpi(project, event_tables):
    """An event of the same kpi must not stand in for the outcome row that was set aside."""
    tables = dict(event_tables)
    tables["kpi_outcome"] = outcome([("e", "nobody", "2024-02-02", "x", 1.0), ("e", "t1", "2024-02-20", "z", 1.0)])
    tables["kpi_event"] = tables["kpi_event"].query("unit_id == 't1' and kpi_name == 'x'").iloc[[4]]
    project.load(**tables).must_run()
    assert project.issues()["kpi_outcome", "e", "unassigned_unit"] == 1


# --- as_of ------------------------------------------------------------------------------------------------------------

AS_OF = "2024-02-01"


@pytest.fixture(scope="module")
def history(write_experiment, stack):
    """Two experiments that run over as_of and one that starts after it."""
    rng = np.random.default_rng(9)

    def arms(size):
        return {
            v: {
                "a": np.round(rng.gamma(2, 5, size), 2) * (rng.random(size) < 0.6),
                "b": rng.poisson(2, size).astype(float),
                "pre a": np.round(rng.gamma(2, 5, size), 2),
            }
            for v in ("control", "treatment")
        }

    markets = {v: [f"{v}-{i % 7}" for i in range(120)] for v in ("control", "treatment")}
    tables = stack(
        write_experiment("running", arms(150), start="2024-01-05", end=None, assigned_days=40),
        write_experiment(
            "markets", arms(120), start="2024-01-10", end="2024-02-20", assigned_days=30, clusters=markets
        ),
        write_experiment("later", arms(30), start="2024-02-10", end=None, assigned_days=2),
    )
    # Facts of later days of the window, repeats, and a unit whose second variant comes only after as_of.
    facts = tables["kpi_outcome"]
    day = pd.Timedelta(days=1)
    more = [
        facts.assign(metric_date=[d + n * day for d in facts["metric_date"]], kpi_value=facts["kpi_value"] + n).sample(
            frac=0.3, random_state=n
        )
        for n in (1, 5, 11)
    ]
    tables["kpi_outcome"] = pd.concat([facts, *more, facts.iloc[:7], facts.iloc[-7:]], ignore_index=True)
    seen_again = tables["assignment"].iloc[[0]].assign(variant_id="treatment", assigned_at=pd.Timestamp("2024-02-05"))
    seen_before = tables["assignment"].iloc[[1]].assign(variant_id="treatment", assigned_at=pd.Timestamp("2024-01-31"))
    tables["assignment"] = pd.concat([tables["assignment"], seen_again, seen_before], ignore_index=True)
    events = tables["assignment"].sample(80, random_state=4)
    tables["kpi_event"] = pd.DataFrame(
        {
            "unit_id": events["unit_id"].to_numpy(),
            "event_at": (events["assigned_at"] + pd.to_timedelta(rng.integers(-5, 15, 80), "D")).to_numpy(),
            "kpi_name": "click",
            "kpi_value": 1.0,
        }
    )
    tables["exposure"] = pd.DataFrame(
        {
            "exp_id": events["exp_id"].to_numpy(),
            "unit_id": events["unit_id"].to_numpy(),
            "exposed_at": (events["assigned_at"] + pd.to_timedelta(rng.integers(0, 9, 80), "D")).to_numpy(),
        }
    )
    tables["metric"] = metrics(
        [("a", "a", "sum", 0, 7, 7), ("b_open", "b", "sum", 0, None, 0), ("click", "click", "count", 0, 3, 3)]
    )
    return tables


def before(tables, as_of):
    """Only the rows that existed before a day."""
    day = pd.Timestamp(as_of)
    times = {
        "assignment": "assigned_at",
        "kpi_outcome": "metric_date",
        "kpi_event": "event_at",
        "exposure": "exposed_at",
    }
    return {
        name: table[pd.to_datetime(table[times[name]]) < day] if name in times else table
        for name, table in tables.items()
    }


MARTS = {
    "experiment_results": ["exp_id", "metric_id", "variant_id", "population"],
    "metric_estimate": ["exp_id", "metric_id", "variant_id", "population", "estimator"],
    "experiment_results_daily": ["exp_id", "metric_id", "variant_id", "population", "look_date"],
    "experiment_health": ["exp_id", "check_name", "scope"],
    "experiment_power": ["exp_id", "metric_id", "variant_id"],
    "experiment_scorecard": ["exp_id", "variant_id"],
    "experiment_data_issue": ["input", "key", "reason"],
}


def assert_same_marts(got, want, marts=MARTS, **ignore):
    for mart, keys in marts.items():
        frames = [p.table(mart).sort_values(keys, ignore_index=True) for p in (got, want)]
        frames = [f.drop(columns=ignore.get(mart, [])) for f in frames]
        pd.testing.assert_frame_equal(*frames, rtol=1e-9, check_dtype=False, obj=mart)


@pytest.fixture(scope="module")
def as_of_build(new_project, history):
    return new_project().load(**history).must_run(as_of=AS_OF)


def test_a_past_as_of_equals_the_rows_before_it(as_of_build, new_project, history):
    truncated = new_project().load(**before(history, AS_OF)).must_run(as_of=AS_OF)
    assert as_of_build.issues() == truncated.issues()
    assert_same_marts(as_of_build, truncated)
    for model in ("unit_metric", "assignment", "maturity_moment"):
        columns = as_of_build.internal(model).columns.difference(["unit_key"]).tolist()
        frames = [p.internal(model)[columns] for p in (as_of_build, truncated)]
        keys = [c for c in ("exp_id", "metric_id", "unit_id", "plan_key", "variant_key", "mature_on") if c in columns]
        frames = [f.sort_values(keys, ignore_index=True) for f in frames]
        pd.testing.assert_frame_equal(*frames, rtol=1e-12, check_dtype=False, obj=model)
    issues = as_of_build.issues()
    assert issues["assignment", "running", "multiple_variants"] == 2


def test_the_default_as_of_is_the_day_after_the_newest_row(new_project, history, as_of_build):
    """Cut off at a day, the inputs give by themselves what `as_of` gives, but for the freshness of the data."""
    last = before(history, AS_OF)
    assert max(last["kpi_outcome"]["metric_date"]) == (pd.Timestamp(AS_OF) - pd.Timedelta(days=1)).date()
    project = new_project().load(**last).must_run()
    assert_same_marts(project, as_of_build, {"experiment_results": MARTS["experiment_results"]})
    assert set(pd.to_datetime(project.table("experiment_results")["as_of"])) == {pd.Timestamp(AS_OF)}


def test_looks_are_what_past_as_ofs_reported(as_of_build, new_project, history):
    """The look of a day is the result of a build made for that day: for mature cohorts nothing is recomputed."""
    look = "2024-01-25"
    past = new_project().load(**history).must_run(as_of=look)
    daily = as_of_build.table("experiment_results_daily").query("metric_id == 'a' and population == 'assigned'")
    daily = daily[pd.to_datetime(daily["look_date"]) <= pd.Timestamp(look)]
    # `markets` has the seen-twice unit nowhere; in `running` it was not seen twice yet on that day.
    last = daily.loc[daily.groupby(["exp_id", "variant_id"])["look_date"].idxmax()].set_index("exp_id").loc["markets"]
    want = past.result("markets", "a")
    for column in ("n_control", "n_treatment", "effect", "effect_se", "p_value"):
        assert last[column] == pytest.approx(want[column], rel=1e-9), column


def test_another_experiments_units_change_nothing(as_of_build, new_project, history):
    rest = {
        name: table[table["exp_id"] != "running"] if "exp_id" in table else table for name, table in history.items()
    }
    alone = new_project().load(**rest).must_run(as_of=AS_OF)
    for mart, keys in MARTS.items():
        if mart == "experiment_data_issue":
            continue
        want = alone.table(mart).sort_values(keys, ignore_index=True)
        got = as_of_build.table(mart).query("exp_id != 'running'").sort_values(keys, ignore_index=True)
        pd.testing.assert_frame_equal(got, want, rtol=1e-9, check_dtype=False, obj=mart)


# --- ramps ------------------------------------------------------------------------------------------------------------


def test_sample_ratio_follows_the_allocation_in_force(project, write_experiment):
    """90/10, then 50/50: sound phase by phase, although the total is neither."""
    counts = {"control": (905, 480), "treatment": (95, 520)}
    tables = write_experiment(
        "ramp",
        {v: {"spend": np.ones(sum(n))} for v, n in counts.items()},
        traffic={"control": 90, "treatment": 10},
    )
    change = pd.Timestamp("2024-01-10 12:00:00")
    tables["assignment"]["assigned_at"] = np.concatenate(
        [np.repeat(timestamps([change - US, change]), n) for n in counts.values()]
    )
    tables["traffic_change"] = pd.DataFrame(
        {"exp_id": "ramp", "variant_id": ["control", "treatment"], "effective_at": change, "traffic_pct": [50.0, 50.0]}
    )
    project.load(**tables).must_run(as_of="2024-03-01")
    # Mantel and Haenszel: the differences of both phases together, against the sum of their binomial variances.
    statistic = ((905 - 900) + (480 - 500)) ** 2 / (1000 * 0.9 * 0.1 + 1000 * 0.5 * 0.5)
    srm = project.health("ramp").loc["srm"]
    assert srm["statistic"] == pytest.approx(statistic, rel=1e-9)
    assert srm["p_value"] == pytest.approx(stats.chi2.sf(statistic, 1), rel=1e-9)
    assert srm["status"] == "pass"
    assert project.health("ramp").loc["ramp", "status"] == "warn"
    # Without the change it would be a glaring mismatch.
    assert stats.chisquare([1385, 615], [1800, 200]).pvalue < 1e-100
