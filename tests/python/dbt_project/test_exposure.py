"""The exposed population and the effect on compliers, against the unit rows they are made of.

One programme of experiments, built with the input `exposure`, without it, and for an earlier `as_of`. Every expected
number is computed here from the raw tables, by scipy or with matrices.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

DAY = pd.Timedelta(days=1)
START = pd.Timestamp("2024-01-01")
AS_OF = pd.Timestamp("2024-02-01")
WINDOW, PRE = 7, 5

# Share of the units exposed in control and treatment, and the effect of exposure.
DESIGNS = {
    "triggered": (0.6, 0.6, 1.5),
    "encouraged": (0.0, 0.55, 2.0),
    "crossed": (0.2, 0.75, 2.0),
    "tilted": (0.45, 0.6, 0.0),
    "markets": (0.5, 0.5, 1.0),
    "plain": (0.0, 0.0, 0.0),
}
SIZES = {"control": 640, "treatment": 610}


def one_experiment(exp_id: str, seed: int) -> dict[str, pd.DataFrame]:
    """Units with a taste, daily facts around assignment and exposure, and exposures some days after assignment."""
    rng = np.random.default_rng(seed)
    share_control, share_treatment, effect = DESIGNS[exp_id]
    sizes = {"control": 540, "treatment": 560} if exp_id == "tilted" else SIZES
    units = pd.concat(
        [
            pd.DataFrame({"unit_id": [f"{exp_id}-{variant}-{i}" for i in range(size)], "variant_id": variant})
            for variant, size in sizes.items()
        ],
        ignore_index=True,
    )
    size = len(units)
    units["exp_id"] = exp_id
    units["assigned_at"] = START + pd.to_timedelta(rng.integers(0, 20 * 86_400, size), unit="s")
    if exp_id == "markets":
        units["cluster_id"] = units["variant_id"] + "-" + pd.Series(rng.integers(0, 12, size)).astype(str)
    treated = (units["variant_id"] == "treatment").to_numpy()
    exposed = rng.random(size) < np.where(treated, share_treatment, share_control)
    units["exposed_at"] = (units["assigned_at"] + pd.to_timedelta(rng.integers(0, 9 * 86_400, size), unit="s")).where(
        exposed
    )
    taste = rng.gamma(2.0, 1.0, size)

    facts = []
    for offset in range(-12, 30):
        date = units["assigned_at"].dt.normalize() + offset * DAY
        after = (date >= units["exposed_at"].dt.normalize()).to_numpy() & treated
        active = rng.random(size) < 0.25
        amount = np.round(rng.exponential(2 * taste) + effect * after, 2) * active
        views = rng.poisson(3 * taste) * active
        for kpi, value in (("spend", amount), ("views", views), ("clicks", rng.binomial(views, 0.2 + 0.05 * after))):
            facts.append(
                pd.DataFrame({"unit_id": units["unit_id"], "metric_date": date, "kpi_name": kpi, "kpi_value": value})
            )
    outcome = pd.concat(facts, ignore_index=True).query("kpi_value != 0").assign(exp_id=exp_id)
    # Some rows were loaded twice: those units are computed again, in both populations.
    outcome = pd.concat([outcome, outcome.sample(40, random_state=seed)], ignore_index=True)

    first = units.dropna(subset="exposed_at")[["exp_id", "unit_id", "exposed_at"]]
    again = first.assign(exposed_at=first["exposed_at"] + 2 * DAY)
    event = units[["unit_id"]].assign(
        event_at=units["assigned_at"] + pd.to_timedelta(rng.integers(-4 * 86_400, 14 * 86_400, size), unit="s"),
        kpi_name="calls",
        kpi_value=1.0 + rng.poisson(1, size),
    )
    return {
        "experiment": pd.DataFrame(
            {"exp_id": [exp_id], "name": [exp_id], "start_time": [START], "end_time": [pd.Timestamp("2024-01-21")],
             "unit": ["user"], "primary_kpi": ["spend"]}
        ),
        "variant": pd.DataFrame({"exp_id": exp_id, "variant_id": list(sizes), "traffic_pct": 0.5}),
        "assignment": units.drop(columns="exposed_at"),
        "kpi_outcome": outcome,
        "exposure": pd.concat([first, again], ignore_index=True),
        "kpi_event": event,
    }  # fmt: skip


@pytest.fixture(scope="module")
def programme(stack):
    """All experiments in the same tables, with exposures that must not count."""
    tables = stack(*(one_experiment(exp_id, seed) for seed, exp_id in enumerate(DESIGNS)))
    some = tables["assignment"].query("exp_id == 'triggered'").iloc[:3]
    tables["exposure"] = pd.concat(
        [
            tables["exposure"],
            some[["exp_id", "unit_id"]].assign(exposed_at=some["assigned_at"] - pd.Timedelta(minutes=1)),
            pd.DataFrame({"exp_id": ["triggered"], "unit_id": ["stranger"], "exposed_at": [START]}),
        ],
        ignore_index=True,
    )
    tables["metric"] = pd.DataFrame(
        [
            ("spend", "mean", "spend", None, "sum", PRE, WINDOW),
            ("spent", "proportion", "spend", None, "any", 0, WINDOW),
            ("click_rate", "ratio", "clicks", "views", "sum", 0, WINDOW),
            ("calls", "mean", "calls", None, "sum", 0, 3),
        ],
        columns=["metric_id", "metric_type", "numerator_kpi", "denominator_kpi", "aggregation", "covariate_days",
                 "window_end_day"],
    ).assign(window_start_day=0)  # fmt: skip
    tables["experiment_metric"] = pd.DataFrame(
        [(exp_id, metric_id) for exp_id in DESIGNS for metric_id in ("spend", "spent", "click_rate", "calls")]
        + [("encouraged", "spend_cace")],
        columns=["exp_id", "metric_id"],
    ).assign(estimator=None)
    planned = tables["experiment_metric"]["metric_id"] == "spend_cace"
    tables["metric"] = pd.concat(
        [tables["metric"], tables["metric"].query("metric_id == 'spend'").assign(metric_id="spend_cace")],
        ignore_index=True,
    )
    tables["experiment_metric"]["estimator"] = (
        pd.Series(np.where(planned, "cace", None)).astype("string").to_numpy(dtype=object)
    )
    tables["experiment_metric"] = tables["experiment_metric"].astype({"estimator": "string"})
    return tables


@pytest.fixture(scope="module")
def built(shared_project, programme):
    """The programme with exposures, models and data tests."""
    outcome = shared_project.load(**programme).build("--exclude-resource-type", "unit_test", as_of=str(AS_OF.date()))
    assert outcome.success, outcome.error
    return shared_project


@pytest.fixture(scope="module")
def without(new_project, programme):
    """The same programme in a warehouse that has no exposures."""
    tables = {name: table for name, table in programme.items() if name != "exposure"}
    return new_project().load(**tables).must_run(as_of=str(AS_OF.date()))


def anchored(programme, exp_id: str, population: str, as_of=AS_OF) -> pd.DataFrame:
    """One row per unit of a population, with its anchor and its first exposure."""
    units = programme["assignment"].query("exp_id == @exp_id").set_index("unit_id")
    seen = programme["exposure"].query("exp_id == @exp_id").join(units["assigned_at"], on="unit_id", how="inner")
    seen = seen[(seen["exposed_at"] >= seen["assigned_at"]) & (seen["exposed_at"] < as_of)]
    units["exposed_at"] = seen.groupby("unit_id")["exposed_at"].min()
    if population == "exposed":
        units = units.dropna(subset="exposed_at")
    return units.assign(anchor=units["exposed_at"] if population == "exposed" else units["assigned_at"])


def daily_total(programme, units, kpi, first, last, origin, as_of=AS_OF) -> pd.Series:
    """Sum of each unit's facts on the days [first, last) after the day of its origin, each day once."""
    facts = programme["kpi_outcome"].query("kpi_name == @kpi").drop_duplicates(["unit_id", "metric_date"])
    facts = facts[facts["metric_date"] < as_of].join(units[[origin]], on="unit_id", how="inner")
    day = (facts["metric_date"] - facts[origin].dt.normalize()).dt.days
    inside = facts[(day >= first) & (day < last)]
    return inside.groupby("unit_id")["kpi_value"].sum().reindex(units.index).fillna(0.0)


def unit_rows(programme, exp_id, population, as_of=AS_OF) -> pd.DataFrame:
    """The mature units of a population with their outcomes, as the contract defines them."""
    units = anchored(programme, exp_id, population, as_of)
    units = units[units["anchor"].dt.normalize() + WINDOW * DAY <= as_of]
    for kpi in ("spend", "views", "clicks"):
        units[kpi] = daily_total(programme, units, kpi, 0, WINDOW, "anchor", as_of)
    units["pre"] = daily_total(programme, units, "spend", -PRE, 0, "assigned_at", as_of)
    return units


def arms(rows: pd.DataFrame, column: str) -> list[np.ndarray]:
    return [rows.loc[rows["variant_id"] == v, column].to_numpy(dtype=float) for v in ("control", "treatment")]


def estimate(project, exp_id, metric_id, population="exposed", **more) -> pd.Series:
    rows = project.table("metric_estimate").query(
        "exp_id == @exp_id and metric_id == @metric_id and population == @population"
    )
    for name, value in more.items():
        rows = rows[rows[name] == value]
    assert len(rows) == 1
    return rows.iloc[0]


def two_stage_least_squares(y, exposed, assigned) -> tuple[float, float]:
    """The coefficient of exposure and its HC2 standard error, by the textbook matrices on the unit rows."""
    z, x = np.column_stack([np.ones_like(y), assigned]), np.column_stack([np.ones_like(y), exposed])
    inverse = np.linalg.inv(z.T @ x)
    beta = inverse @ z.T @ y
    residual = y - x @ beta
    leverage = np.einsum("ij,jk,ik->i", z, np.linalg.inv(z.T @ z), z)
    meat = (z * (residual**2 / (1 - leverage))[:, None]).T @ z
    return beta[1], np.sqrt((inverse @ meat @ inverse.T)[1, 1])


def exposed_in_window(rows: pd.DataFrame) -> np.ndarray:
    """1 where the first exposure came before the window of the assigned unit closed."""
    days = (rows["exposed_at"].dt.normalize() - rows["assigned_at"].dt.normalize()).dt.days
    return (days < WINDOW).to_numpy(dtype=float)


def compiled(project, model: str) -> str:
    """The SQL of the last run of a model."""
    return next((project.dbt.work / "target" / "run").rglob(f"{model}.sql")).read_text()


def test_triggered_mean_is_welch_on_the_exposed_units(built, programme):
    control, treatment = arms(unit_rows(programme, "triggered", "exposed"), "spend")
    row = estimate(built, "triggered", "spend", estimator="difference")
    test = stats.ttest_ind(treatment, control, equal_var=False)
    interval = test.confidence_interval(0.95)
    assert (row["n_control"], row["n_treatment"]) == (len(control), len(treatment))
    assert row["statistic"] == pytest.approx(test.statistic, rel=1e-10)
    assert row["p_value"] == pytest.approx(test.pvalue, rel=1e-9)
    assert row["effect_ci_low"] == pytest.approx(interval.low, rel=1e-9)
    assert row["effect_ci_high"] == pytest.approx(interval.high, rel=1e-9)


def test_triggered_rate_is_the_share_of_the_exposed_with_an_outcome(built, programme):
    control, treatment = (values > 0 for values in arms(unit_rows(programme, "triggered", "exposed"), "spend"))
    row = estimate(built, "triggered", "spent", estimator="difference")
    assert row["metric_type"] == "proportion"
    assert row["mean_control"] == pytest.approx(control.mean(), rel=1e-12)
    assert row["mean_treatment"] == pytest.approx(treatment.mean(), rel=1e-12)


def test_triggered_ratio_is_the_delta_method_on_the_exposed_units(built, programme):
    rows = unit_rows(programme, "triggered", "exposed")
    effect, variance = 0.0, 0.0
    for sign, (y, d) in zip((-1, 1), zip(arms(rows, "clicks"), arms(rows, "views"), strict=True), strict=True):
        ratio = y.sum() / d.sum()
        effect += sign * ratio
        variance += np.var((y - ratio * d) / d.mean(), ddof=1) / len(y)
    row = estimate(built, "triggered", "click_rate", estimator="ratio")
    assert row["effect"] == pytest.approx(effect, rel=1e-10)
    assert row["effect_se"] == pytest.approx(np.sqrt(variance), rel=1e-10)


def test_covariate_of_the_exposed_ends_before_the_assignment(built, programme):
    """What happened between assignment and exposure may be an effect: as a covariate it would take some of it away."""
    rows = unit_rows(programme, "triggered", "exposed")
    theta = np.cov(rows["spend"], rows["pre"])[0, 1] / rows["pre"].var()
    control, treatment = arms(rows.assign(adjusted=rows["spend"] - theta * rows["pre"]), "adjusted")
    test = stats.ttest_ind(treatment, control, equal_var=False)
    row = estimate(built, "triggered", "spend", is_headline=True)
    assert row["estimator"] == "cuped"
    assert row["effect"] == pytest.approx(treatment.mean() - control.mean(), rel=1e-10)
    assert row["p_value"] == pytest.approx(test.pvalue, rel=1e-8)
    assert row["variance_reduction"] > 0.02


def test_windows_on_events_count_from_the_second_of_the_exposure(built, programme):
    units = anchored(programme, "triggered", "exposed")
    events = programme["kpi_event"].join(units[["anchor"]], on="unit_id", how="inner")
    events = events[(events["event_at"] >= events["anchor"]) & (events["event_at"] < events["anchor"] + 3 * DAY)]
    units["calls"] = events.groupby("unit_id")["kpi_value"].sum().reindex(units.index).fillna(0.0)
    mature = units[units["anchor"] + 3 * DAY <= AS_OF]
    control, treatment = arms(mature, "calls")
    row = estimate(built, "triggered", "calls", estimator="difference")
    assert (row["n_control"], row["n_treatment"]) == (len(control), len(treatment))
    assert row["effect"] == pytest.approx(treatment.mean() - control.mean(), rel=1e-10)
    assert 0 < len(mature) < len(anchored(programme, "triggered", "exposed")) or control.sum() > 0


def test_maturity_is_anchored_on_the_first_exposure(built, programme, new_project):
    """The matured set only grows as `as_of` moves, and units that were not exposed yet leave no trace."""
    early = pd.Timestamp("2024-01-17")
    earlier = new_project().load(**programme).must_run(as_of=str(early.date()))
    rows = unit_rows(programme, "triggered", "exposed", early)
    row = estimate(earlier, "triggered", "spend", estimator="difference")
    control, treatment = arms(rows, "spend")
    assert (row["n_control"], row["n_treatment"]) == (len(control), len(treatment))
    assert row["effect"] == pytest.approx(treatment.mean() - control.mean(), rel=1e-10)
    later = estimate(built, "triggered", "spend", estimator="difference")
    assert row["n_control"] < later["n_control"]
    # The look of that day, in the chart made later, is what the earlier analysis shows.
    daily = built.table("experiment_results_daily").query(
        "exp_id == 'triggered' and metric_id == 'spent' and population == 'exposed'"
    )
    then = daily[daily["look_date"] <= early].sort_values("look_date").iloc[-1]
    assert then["effect"] == pytest.approx(
        estimate(earlier, "triggered", "spent", is_headline=True)["effect"], rel=1e-10
    )
    closed = "population == 'exposed' and numerator <> 0 and mature_on <= date '2024-01-17'"
    query = f"select metric_id, unit_id, numerator from experiments_internal.unit_metric where {closed} order by all"
    pd.testing.assert_frame_equal(earlier.sql(query), built.sql(query))


def test_intent_to_treat_does_not_change_when_exposures_are_added(built, without):
    keys = ["exp_id", "metric_id", "variant_id"]
    for mart in ("experiment_results", "experiment_power", "experiment_scorecard"):
        after, before = built.table(mart), without.table(mart)
        if "population" in after:
            after = after[after["population"] == "assigned"]
        # This one plans an estimator that cannot be without exposures.
        after, before = (table[table["exp_id"] != "encouraged"] for table in (after, before))
        # Health knows more with exposures; what is estimated and decided stays.
        after, before = (
            table.drop(columns=["health_status", "health_concerns"], errors="ignore") for table in (after, before)
        )
        order = [key for key in keys if key in after]
        pd.testing.assert_frame_equal(
            after.sort_values(order).reset_index(drop=True),
            before.sort_values(order).reset_index(drop=True),
            check_exact=False, rtol=1e-13,
        )  # fmt: skip


def test_maturity_share_is_of_the_exposed(built, programme):
    everyone = anchored(programme, "triggered", "exposed")
    mature = unit_rows(programme, "triggered", "exposed")
    rows = built.table("experiment_results").query(
        "exp_id == 'triggered' and metric_id == 'spend' and population == 'exposed'"
    )
    assert rows["maturity_share"].item() == pytest.approx(len(mature) / len(everyone), rel=1e-12)
    assert 0.9 < rows["maturity_share"].item() < 1


def test_a_project_without_exposures_pays_nothing(without):
    assert set(without.table("experiment_results")["population"]) == {"assigned"}
    assert without.internal("plan_metric")["population"].eq("assigned").all()
    planned = without.table("metric_estimate").query("estimator == 'cace'")
    assert planned["status"].eq("estimator_unavailable").all() and len(planned) == 1
    # The one pass over the facts is what it was: one set of units, one count of days.
    view = "select sql from duckdb_views() where view_name = 'population_unit'"
    assert "union" not in without.sql(view)["sql"].item().lower()
    assert "pre_day" not in compiled(without, "experiments__unit_total")


def test_experiments_without_exposures_have_no_exposed_rows(built):
    rows = built.table("experiment_results").query("exp_id == 'plain'")
    assert set(rows["population"]) == {"assigned"}
    assert built.health("plain").loc["exposure_balance", "status"] == "not_applicable"
    assert built.internal("plan_metric").query("exp_id == 'plain'")["population"].eq("assigned").all()


def test_exposures_that_cannot_count_are_reported(built):
    issues = built.issues()
    assert issues["exposure", "triggered", "exposed_before_assignment"] == 3
    assert issues["exposure", "triggered", "unassigned_unit"] == 1


def test_the_ledger_counts_each_fact_once(built):
    """The exposed are assigned units too; their totals must not balance away a row that was lost."""
    ledger = built.internal("kpi_outcome_ledger").query("is_read and not has_events")
    assert len(ledger) and (ledger["n_rows"] == ledger["n_accounted"]).all()


@pytest.mark.parametrize("exp_id", ["encouraged", "crossed"])
@pytest.mark.parametrize("metric_id", ["spend", "spent"])
def test_effect_on_compliers_is_two_stage_least_squares_on_the_unit_rows(built, programme, exp_id, metric_id):
    rows = unit_rows(programme, exp_id, "assigned")
    y = (rows["spend"] > 0 if metric_id == "spent" else rows["spend"]).to_numpy(dtype=float)
    assigned = (rows["variant_id"] == "treatment").to_numpy(dtype=float)
    effect, se = two_stage_least_squares(y, exposed_in_window(rows), assigned)
    row = estimate(built, exp_id, metric_id, "assigned", estimator="cace")
    df = len(rows) - 2
    assert row["status"] == "ok"
    assert row["effect"] == pytest.approx(effect, rel=1e-9)
    assert row["effect_se"] == pytest.approx(se, rel=1e-9)
    assert row["df"] == df
    assert row["p_value"] == pytest.approx(2 * stats.t.sf(abs(effect / se), df), rel=1e-8)
    assert row["effect_ci_low"] == pytest.approx(effect - stats.t.ppf(0.975, df) * se, rel=1e-8)


def test_an_exposure_after_the_window_closed_is_none(programme):
    """Without such exposures in the data the tests above could not tell one rule from the other."""
    rows = unit_rows(programme, "encouraged", "assigned")
    assert exposed_in_window(rows).sum() < rows["exposed_at"].notna().sum()


def test_planned_effect_on_compliers_is_the_headline_of_the_assigned_only(built):
    assert estimate(built, "encouraged", "spend_cace", "assigned", is_headline=True)["estimator"] == "cace"
    rows = built.table("experiment_results").query("exp_id == 'encouraged' and metric_id == 'spend_cace'")
    assert set(rows["population"]) == {"assigned", "exposed"}
    assert rows.set_index("population")["estimator"]["exposed"] != "cace"


def test_a_trigger_logged_in_both_arms_is_no_instrument(built):
    row = estimate(built, "triggered", "spend", "assigned", estimator="cace")
    assert row["status"] == "weak_instrument"
    assert row[["effect", "effect_se", "effect_ci_low", "effect_ci_high", "p_value"]].isna().all()


def test_exposures_of_one_arm_make_no_triggered_comparison(built):
    row = estimate(built, "encouraged", "spend", is_headline=True)
    assert row["status"] == "one_sided_exposure"
    assert pd.isna(row["effect"]) and pd.isna(row["p_value"])
    check = built.health("encouraged").loc["exposure_balance"]
    assert check["status"] == "not_applicable" and "cace" in check["message"]


def test_exposure_that_depends_on_the_variant_is_a_warning(built, programme):
    """Only exposed units are compared, so the treatment must not choose them; intent-to-treat stays what it is."""
    exposed = anchored(programme, "tilted", "exposed")["variant_id"].value_counts()
    check = built.health("tilted").loc["exposure_balance"]
    test = stats.chisquare([exposed["control"], exposed["treatment"]])
    assert check["status"] == "warn"
    assert check["p_value"] == pytest.approx(test.pvalue, rel=1e-9)
    assert check["statistic"] == pytest.approx(test.statistic, rel=1e-9)
    assert built.health("triggered").loc["exposure_balance", "status"] == "pass"
    assert built.health("tilted").loc["srm", "status"] == "pass"


def test_clusters_of_the_exposed_are_clusters(built, programme):
    rows = unit_rows(programme, "markets", "exposed")
    row = estimate(built, "markets", "spend", estimator="cluster")
    control, treatment = arms(rows, "spend")
    assert (row["n_control"], row["n_treatment"]) == (len(control), len(treatment))
    variance = 0.0
    for variant, values in zip(("control", "treatment"), (control, treatment), strict=True):
        ids = rows.loc[rows["variant_id"] == variant, "cluster_id"]
        residual = pd.Series(values - values.mean()).groupby(ids.to_numpy()).agg(["sum", "size"])
        share = residual["size"] / len(values)
        variance += (residual["sum"] ** 2 / (1 - share)).sum() / len(values) ** 2
    assert row["effect"] == pytest.approx(treatment.mean() - control.mean(), rel=1e-10)
    assert row["effect_se"] == pytest.approx(np.sqrt(variance), rel=1e-9)
    assert row["clusters_control"] == rows.query("variant_id == 'control'")["cluster_id"].nunique()
    assert "cace" not in set(built.table("metric_estimate").query("exp_id == 'markets'")["estimator"])
    assert "clusters" in built.health("markets").loc["exposure_balance", "message"]


def test_ratios_have_no_effect_on_compliers(built):
    rows = built.table("metric_estimate").query("metric_id == 'click_rate'")
    assert "cace" not in set(rows["estimator"])
