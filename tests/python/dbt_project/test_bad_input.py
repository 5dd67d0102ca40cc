"""Rows that cannot be used: every one is reported with its reason, and none of them moves a number."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest

DAY = pd.Timestamp("2024-01-05")
LOADED = pd.Timestamp("2024-01-06")


def frame(columns, rows, types=None):
    return pd.DataFrame(rows, columns=columns.split()).astype(types or {})


def assignments(*rows):
    """Rows of (exp_id, unit_id, variant_id, assigned_at)."""
    table = frame("exp_id unit_id variant_id assigned_at", rows)
    return table.assign(assigned_at=pd.to_datetime(table["assigned_at"]).astype("datetime64[us]"))


def outcomes(*rows):
    """Rows of (exp_id, unit_id, metric_date, kpi_name, kpi_value), loaded after everything else."""
    table = frame("exp_id unit_id metric_date kpi_name kpi_value", rows)
    table["metric_date"] = [None if pd.isna(day) else pd.Timestamp(day).date() for day in table["metric_date"]]
    return table.assign(kpi_value=table["kpi_value"].astype(float), loaded_at=LOADED)


@pytest.fixture(scope="module")
def clean(write_experiment, stack):
    """Two experiments without a blemish, with a row late enough for every unit to be mature."""
    rng = np.random.default_rng(5)

    def arms(mean):
        return {
            variant: {"spend": np.round(rng.gamma(2, mean, 200), 2), "errors": 1.0 + rng.poisson(1, 200)}
            for variant in ("control", "treatment")
        }

    tables = stack(write_experiment("dirty", arms(10)), write_experiment("fine", arms(12)))
    last = outcomes(("dirty", "dirty-control-0", "2024-02-20", "spend", 1), ("fine", "fine-control-0", DAY, "spend", 1))
    tables["kpi_outcome"] = pd.concat([tables["kpi_outcome"].assign(loaded_at=DAY), last], ignore_index=True)
    tables["experiment_metric"] = frame(
        "exp_id metric_id role",
        [("dirty", "spend", "primary"), ("dirty", "errors", "guardrail"), ("fine", "spend", "primary")],
    )
    return tables


@pytest.fixture(scope="module")
def dirty(clean, stack):
    """Every kind of bad row, with the issue it must become."""
    expected = Counter()

    def plant(table, reason, rows, exp_id="dirty", count=None):
        expected[table, exp_id, reason] += count or len(rows)
        return rows

    first = clean["kpi_outcome"].iloc[0]
    bad_assignment = [
        *plant("assignment", "null_key", [(None, "x1", "control", DAY)], exp_id=None),
        *plant(
            "assignment",
            "null_key",
            [("dirty", None, "control", DAY), ("dirty", "x3", None, DAY), ("dirty", "x4", "control", None)],
        ),
        *plant("assignment", "unknown_experiment", [("ghost", "x5", "control", DAY)], exp_id="ghost"),
        *plant("assignment", "unknown_variant", [("dirty", "x6", "purple", DAY)]),
        *plant(
            "assignment",
            "assigned_outside_experiment",
            [
                ("dirty", "x7", "control", "2023-12-31 23:59:59.999999"),
                ("dirty", "x8", "control", "2024-02-01 00:00:00"),
            ],
        ),
        *plant(
            "assignment",
            "duplicate_assignment",
            [
                ("dirty", "dirty-control-1", "control", "2024-01-01 09:00:00"),
                ("dirty", "dirty-treatment-1", "treatment", "2024-01-09 09:00:00"),
            ],
        ),
        *plant(
            "assignment",
            "multiple_variants",
            [("dirty", "both", "control", DAY), ("dirty", "both", "treatment", LOADED)],
        ),
        *plant(
            "assignment",
            "excluded_unit",
            [("dirty", "bot", "control", DAY), ("dirty", "staff", "treatment", DAY)],
        ),
    ]
    bad_outcome = [
        *plant("kpi_outcome", "null_key", [(None, "dirty-control-0", DAY, "spend", 1)], exp_id=None),
        *plant(
            "kpi_outcome",
            "null_key",
            [
                ("dirty", None, DAY, "spend", 1),
                ("dirty", "dirty-control-0", None, "spend", 1),
                ("dirty", "dirty-control-0", DAY, None, 1),
            ],
        ),
        *plant("kpi_outcome", "unknown_experiment", [("ghost", f"x{i}", DAY, "spend", 1) for i in range(3)], "ghost"),
        *plant("kpi_outcome", "unassigned_unit", [("dirty", "nobody", DAY, "spend", 1)]),
        *plant(
            "kpi_outcome",
            "non_finite_value",
            [
                ("dirty", f"dirty-control-{i}", DAY, "spend", value)
                for i, value in enumerate([np.nan, np.inf, -np.inf, None, 1e308])
            ],
        ),
        *plant(
            "kpi_outcome",
            "duplicate_outcome",
            [
                ("dirty", first["unit_id"], first["metric_date"], first["kpi_name"], first["kpi_value"]),
                # Smaller, but loaded later: the first loaded is kept.
                ("dirty", "dirty-control-7", "2024-01-02", "spend", -5),
                ("dirty", "dirty-treatment-7", "2024-01-02", "errors", 1e6),
            ],
        ),
        *plant("kpi_outcome", "future_outcome", [("dirty", "dirty-control-3", "2999-01-01", "spend", 1)]),
        *plant("kpi_outcome", "unknown_kpi", [("dirty", "dirty-control-3", DAY, "spned", 1)] * 2),
        *plant("kpi_outcome", "multiple_variants", [("dirty", "both", DAY, "spend", 1)]),
        *plant(
            "kpi_outcome", "excluded_unit", [("dirty", "bot", DAY, "spend", 1), ("dirty", "staff", DAY, "errors", 1)]
        ),
        *plant("kpi_outcome", "unknown_variant", [("dirty", "x6", DAY, "spend", 1)]),
        *plant("kpi_outcome", "assigned_outside_experiment", [("dirty", "x7", DAY, "spend", 1)]),
    ]
    again = clean["experiment"].iloc[[0]].assign(start_time=pd.Timestamp("2024-01-03"), name="Typed twice")
    nameless = clean["experiment"].iloc[[1]].assign(exp_id=None)
    plant("experiment", "duplicate_experiment", [again])
    plant("experiment", "null_key", [nameless], exp_id=None)
    bad_variant = [
        *plant("variant", "duplicate_variant", [("dirty", "control", 0.9)]),
        *plant("variant", "unknown_experiment", [("ghost", "control", 0.9)], exp_id="ghost"),
        *plant("variant", "null_key", [("dirty", None, 0.9)]),
    ]
    bad_plan = [
        *plant("experiment_metric", "duplicate_plan", [("dirty", "spend", "secondary")]),
        *plant("experiment_metric", "unknown_experiment", [("ghost", "spend", "secondary")], exp_id="ghost"),
        *plant("experiment_metric", "null_key", [("dirty", None, "secondary")]),
    ]
    extra = {
        "experiment": pd.concat([again, nameless]),
        "variant": frame("exp_id variant_id traffic_pct", bad_variant),
        "assignment": assignments(*bad_assignment),
        "kpi_outcome": outcomes(*bad_outcome),
        "experiment_metric": frame("exp_id metric_id role", bad_plan),
        "excluded_unit": frame(
            "unit_id reason exp_id",
            [("bot", "bot", None), ("staff", "employee", "dirty"), ("fine-control-1", "employee", "dirty")],
        ),
    }
    return stack(clean, extra), expected


@pytest.fixture(scope="module")
def built(shared_project, dirty):
    return shared_project.load(**dirty[0]).must_run()


@pytest.fixture(scope="module")
def reference(new_project, clean):
    return new_project().load(**clean).must_run()


def test_every_bad_row_is_reported_with_its_reason(built, dirty):
    assert built.issues() == dirty[1]


def test_issues_name_the_row(built):
    issues = built.table("experiment_data_issue")
    row = issues.query("input == 'kpi_outcome' and reason == 'unassigned_unit'").iloc[0]
    assert row["unit_id"] == "nobody"
    for part in ("dirty", "nobody", "2024-01-05", "spend"):
        assert part in row["key"]


@pytest.mark.parametrize(
    "mart", ["experiment_results", "metric_estimate", "experiment_results_daily", "experiment_power"]
)
def test_bad_rows_do_not_move_a_number(built, reference, mart):
    keys = [k for k in ("exp_id", "metric_id", "variant_id", "estimator", "look_date") if k in reference.table(mart)]
    want, got = (p.table(mart).sort_values(keys, ignore_index=True) for p in (reference, built))
    assert len(want) > 0
    pd.testing.assert_frame_equal(got, want, rtol=1e-12)


def test_clean_input_has_no_issues(reference):
    assert reference.issues() == Counter()


def test_counts_reach_the_health_mart(built, dirty, reference):
    checks = built.health("dirty")
    rejected = sum(
        n for (table, exp_id, reason), n in dirty[1].items()
        if table == "kpi_outcome" and exp_id == "dirty" and reason != "unknown_kpi"
    )  # fmt: skip
    missing = checks.loc["missing_outcomes"]
    assert missing["status"] == "warn"
    assert missing["message"].startswith(f"{rejected} of ")
    several = checks.loc["multiple_variants"]
    assert several["statistic"] == pytest.approx(1 / 401)
    assert several["status"] == "warn"
    assert "1 unit" in several["message"] and "control 1, treatment 1" in several["message"]
    assert reference.health("dirty").loc["multiple_variants", "status"] == "pass"
    # The experiment beside it is as healthy as it was.
    pd.testing.assert_frame_equal(built.health("fine"), reference.health("fine"))


def test_a_few_bad_rows_do_not_change_the_sample_ratio(built, reference):
    pd.testing.assert_series_equal(
        built.health("dirty").loc["srm"], reference.health("dirty").loc["srm"], check_names=False
    )


def test_first_of_repeats_is_kept(built):
    kept = built.internal("assignment").query("unit_id == 'dirty-treatment-1'")
    assert list(kept["assigned_at"]) == [pd.Timestamp("2024-01-01 09:00:00")]
    assert built.internal("experiment").set_index("exp_id").loc["dirty", "name"] == "Experiment dirty"
    shares = built.internal("variant").query("exp_id == 'dirty'").set_index("variant_id")["traffic_share"]
    assert shares.to_dict() == {"control": 0.5, "treatment": 0.5}


def test_order_of_rows_does_not_matter(built, project, dirty):
    shuffled = {name: table.sample(frac=1, random_state=3) for name, table in dirty[0].items()}
    project.load(**shuffled).must_run()
    assert project.issues() == dirty[1]
    keys = ["exp_id", "metric_id", "variant_id", "estimator"]
    want, got = (p.table("metric_estimate").sort_values(keys, ignore_index=True) for p in (built, project))
    pd.testing.assert_frame_equal(got, want, rtol=1e-12)
    want, got = (p.table("experiment_health").sort_values(["exp_id", "check_name"]) for p in (built, project))
    pd.testing.assert_frame_equal(got.reset_index(drop=True), want.reset_index(drop=True), rtol=1e-9)


# --- experiments that are broken as a whole ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def broken(new_project, write_experiment, stack, clean):
    """One sound experiment among broken ones."""
    rng = np.random.default_rng(11)

    def arms(*names):
        return {name: {"spend": np.round(rng.gamma(2, 10, 50), 2)} for name in names}

    huge = arms("control", "treatment")
    huge["treatment"]["spend"] = np.full(50, 1e308)
    nearly = arms("control", "treatment")
    nearly["treatment"]["spend"] = rng.normal(1, 0.1, 50) * 5e99
    no_units = write_experiment("no_units", arms("control", "treatment"))
    del no_units["assignment"], no_units["kpi_outcome"]
    no_variants = write_experiment("no_variants", arms("control", "treatment"))
    del no_variants["variant"]
    two_controls = write_experiment("two_controls", arms("control", "treatment"))
    two_controls["variant"]["is_control"] = True
    empty_arm = write_experiment(
        "empty_arm", arms("control", "treatment"), traffic={"control": 0.4, "treatment": 0.4, "other": 0.2}
    )
    constant = {"control": {"spend": np.full(50, 3.0)}, "treatment": {"spend": np.full(50, 3.0)}}
    silent = arms("control", "treatment")
    silent["control"]["spend"][:] = 0
    silent["treatment"]["spend"][:] = 0
    fine = {name: table[table["exp_id"] == "fine"] for name, table in clean.items()}
    odd_plan = write_experiment("odd_plan", arms("control", "treatment"))
    leaky = write_experiment("leaky", {v: {"spend": rng.gamma(2, 10, 300)} for v in ("control", "treatment")})
    both = leaky["assignment"].iloc[:9].assign(variant_id="treatment")
    leaky["assignment"] = pd.concat([leaky["assignment"], both], ignore_index=True)
    odd_settings = write_experiment("odd_settings", arms("control", "treatment"))
    odd_settings["experiment"] = odd_settings["experiment"].assign(alpha=5.0, power=-1.0, correction="bonferoni")
    odd_plan["experiment_metric"] = pd.DataFrame(
        {
            "exp_id": "odd_plan",
            "metric_id": ["spend"],
            "role": ["primary"],
            "alternative": ["sideways"],
            "effect_scale": ["log"],
        }
    )
    return (
        new_project()
        .load(
            **stack(
                fine,
                write_experiment("no_control", arms("a", "b")),
                write_experiment(
                    "bad_traffic", arms("control", "treatment"), traffic={"control": 0.5, "treatment": 0.6}
                ),
                write_experiment(
                    "null_traffic", arms("control", "treatment"), traffic={"control": 0.5, "treatment": None}
                ),
                write_experiment("single", arms("control")),
                write_experiment("single_treatment", arms("treatment")),
                write_experiment("huge", huge),
                write_experiment("nearly_huge", nearly),
                write_experiment("constant", constant),
                write_experiment("silent", silent, primary="spend"),
                write_experiment("typo", arms("control", "treatment"), primary="spned"),
                write_experiment("tiny", {v: {"spend": np.array([1.0])} for v in ("control", "treatment")}),
                odd_plan,
                odd_settings,
                leaky,
                no_units,
                no_variants,
                two_controls,
                empty_arm,
            )
        )
        .must_run(as_of="2024-03-01")
    )


def test_broken_experiments_do_not_touch_a_sound_one(broken, new_project, clean):
    alone = new_project().load(**{name: t[t["exp_id"] == "fine"] for name, t in clean.items()})
    alone.must_run(as_of="2024-03-01")
    for mart in (
        "experiment_results",
        "metric_estimate",
        "experiment_health",
        "experiment_scorecard",
        "experiment_power",
    ):
        want = alone.table(mart)
        keys = [k for k in ("metric_id", "estimator", "check_name", "variant_id") if k in want]
        got = broken.table(mart).query("exp_id == 'fine'").sort_values(keys, ignore_index=True)
        pd.testing.assert_frame_equal(got, want.sort_values(keys, ignore_index=True), rtol=1e-12, check_dtype=False)


@pytest.mark.parametrize(
    ("exp_id", "issue", "words"),
    [
        ("no_control", "no_control", "control"),
        ("two_controls", "no_control", "control"),
        ("bad_traffic", "bad_traffic", "traffic"),
        ("null_traffic", "bad_traffic", "traffic"),
        ("single", "no_variants", "two variants"),
        ("single_treatment", "no_variants", "two variants"),
        ("no_variants", "no_variants", "two variants"),
    ],
)
def test_a_broken_design_is_named(broken, exp_id, issue, words):
    assert broken.issues()["experiment", exp_id, issue] == 1
    check = broken.health(exp_id).loc["configuration"]
    assert check["status"] == "fail" and words in check["message"]
    cards = broken.table("experiment_scorecard").query("exp_id == @exp_id")
    assert len(cards) >= 1
    assert set(cards["decision"]) == {"invalid"}
    assert cards["reason"].notna().all() and cards["reason"].str.contains(words).all()


def test_every_experiment_is_in_every_mart(broken):
    experiments = set(broken.internal("experiment")["exp_id"])
    assert len(experiments) == 19
    for mart in ("experiment_health", "experiment_scorecard"):
        assert set(broken.table(mart)["exp_id"]) == experiments
    # A number or a reason, never a gap: every experiment with a treatment has its primary metric.
    results = broken.table("experiment_results")
    assert set(results["exp_id"]) >= experiments - {"single", "no_variants"}


@pytest.mark.parametrize(
    ("exp_id", "status"),
    [
        ("no_control", "no_control"),
        ("constant", "zero_variance"),
        ("silent", "unknown_kpi"),
        ("no_units", "not_mature"),
        ("tiny", "too_few_units"),
        ("typo", "unknown_kpi"),
    ],
)
def test_a_number_that_cannot_be_computed_is_null_with_a_status(broken, exp_id, status):
    rows = broken.table("experiment_results").query("exp_id == @exp_id and role == 'primary'")
    assert len(rows) >= 1
    # A kpi of silence is only known where another experiment has rows of it.
    expected = {"silent": "zero_variance"}.get(exp_id, status)
    assert set(rows["status"]) == {expected}
    for column in ("p_value", "effect_se", "effect_ci_low", "effect_ci_high", "statistic", "is_significant"):
        assert rows[column].isna().all(), column
    assert set(broken.table("experiment_scorecard").query("exp_id == @exp_id")["decision"]) <= {
        "invalid",
        "inconclusive",
    }


def test_huge_values_are_set_aside_or_computed(broken):
    assert broken.issues()["kpi_outcome", "huge", "non_finite_value"] == 50
    row = broken.result("huge", "spend")
    assert row["mean_treatment"] == 0 and row["status"] == "ok"
    row = broken.result("nearly_huge", "spend")
    assert row["status"] == "ok" and row["mean_treatment"] == pytest.approx(5e99, rel=0.1)
    assert np.isfinite(row["effect_se"]) and 0 <= row["p_value"] <= 1


def test_an_empty_planned_arm_is_an_alarm(broken):
    srm = broken.health("empty_arm").loc["srm"]
    assert srm["status"] == "fail"
    rows = broken.results("empty_arm").loc["spend"]
    assert rows.loc["other", "status"] == "not_mature" and rows.loc["treatment", "status"] == "ok"


def test_settings_out_of_range_are_replaced_and_reported(broken):
    row = broken.result("odd_settings", "spend")
    assert row["status"] == "ok" and row["alpha"] == 0.05 and 0 <= row["p_value_adjusted"] <= 1
    assert any(table == "experiment" and exp_id == "odd_settings" for table, exp_id, _ in broken.issues())
    row = broken.result("odd_plan", "spend")
    assert row["status"] in ("unknown_alternative", "unknown_effect_scale") and pd.isna(row["p_value"])
    assert any(table == "experiment_metric" and exp_id == "odd_plan" for table, exp_id, _ in broken.issues())


def test_many_multiple_variant_units_make_an_experiment_invalid(broken):
    check = broken.health("leaky").loc["multiple_variants"]
    assert check["status"] == "fail" and check["statistic"] == pytest.approx(9 / 600)
    card = broken.decision("leaky")
    assert card["decision"] == "invalid" and "more than one variant" in card["reason"]
    row = broken.result("leaky", "spend")
    assert (row["n_control"], row["n_treatment"]) == (291, 300)
