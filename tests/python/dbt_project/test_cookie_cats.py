"""The Cookie Cats experiment, as a stranger would load it: four tables and nothing else configured."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[3]
FOLDER = Path(os.environ.get("EXPERIMENTS_DATA", ROOT.parent / "shared" / "data")) / "cookie_cats"
N = (44_700, 45_489)

pytestmark = pytest.mark.skipif(
    not FOLDER.exists(), reason=f"Cookie Cats data not found at {FOLDER} (set EXPERIMENTS_DATA)"
)


def load(project):
    return project.load(
        experiment=f"from '{FOLDER}/experiment.csv'",
        variant=f"from '{FOLDER}/variant.csv'",
        assignment=f"from '{FOLDER}/assignment.parquet'",
        kpi_outcome=f"from '{FOLDER}/kpi_outcome.parquet'",
    )


@pytest.fixture(scope="module")
def built(shared_project):
    load(shared_project)
    outcome = shared_project.build("--exclude-resource-type", "unit_test")
    assert outcome.success, outcome.error
    return shared_project


@pytest.fixture(scope="module")
def rounds(built):
    """Rounds of every player, zeros included, straight from the input."""
    return built.sql(
        """
        select unit.variant_id, coalesce(sum(fact.kpi_value), 0) as rounds
        from raw.assignment as unit
        left join raw.kpi_outcome as fact on unit.unit_id = fact.unit_id and fact.kpi_name = 'game_rounds'
        group by unit.unit_id, unit.variant_id
        """
    )


def test_retention_is_the_published_result(built):
    day_7 = built.result("cookie_cats", "retention_d7")
    assert day_7["metric_type"] == "proportion" and day_7["estimator"] == "difference" and day_7["status"] == "ok"
    assert day_7["mean_control"] == pytest.approx(0.190201, abs=5e-7)
    assert day_7["mean_treatment"] == pytest.approx(0.182000, abs=5e-7)
    assert day_7["statistic"] == pytest.approx(-3.1644, abs=5e-5)
    assert day_7["p_value"] == pytest.approx(0.00155425, abs=5e-9)
    assert day_7["role"] == "primary" and bool(day_7["is_significant"])
    assert day_7["variant_id"] == "gate_40" and day_7["control_variant_id"] == "gate_30"
    day_1 = built.result("cookie_cats", "retention_d1")
    assert day_1["statistic"] == pytest.approx(-1.7841, abs=5e-5)
    assert day_1["p_value"] == pytest.approx(0.0744097, abs=5e-8)
    assert day_1["role"] == "secondary"


def test_every_metric_counts_every_player(built):
    results = built.results("cookie_cats")
    assert set(results.index) == {"retention_d1", "retention_d7", "game_rounds"}
    assert (results["n_control"] == N[0]).all() and (results["n_treatment"] == N[1]).all()
    assert (results["maturity_share"] == 1).all()


def test_sample_ratio_is_suspicious_but_no_alarm(built):
    srm = built.health("cookie_cats").loc["srm"]
    assert srm["status"] == "warn"
    assert srm["p_value"] == pytest.approx(0.0086080, abs=5e-8)
    assert srm["statistic"] == pytest.approx(6.9024, abs=5e-5)


def test_scorecard_says_what_an_analyst_would(built):
    card = built.decision("cookie_cats")
    assert card["decision"] == "do_not_ship"
    assert card["health_status"] == "warn" and "srm" in card["health_concerns"]
    for words in ("retention_d7", "0.182", "0.190", "gate_30", "-4.3", "0.0016"):
        assert words in card["reason"], card["reason"]
    assert card["n_assigned"] == sum(N)


def test_nothing_was_set_aside(built):
    assert len(built.table("experiment_data_issue")) == 0


def test_without_a_cap_one_player_decides(built, rounds):
    row = built.result("cookie_cats", "game_rounds")
    by_arm = rounds.groupby("variant_id")["rounds"].mean()
    assert row["mean_control"] == pytest.approx(by_arm["gate_30"], rel=1e-12)
    without_him = rounds[rounds["rounds"] < 49_854].groupby("variant_id")["rounds"].mean()
    # He alone carries more than nine tenths of the difference.
    assert abs(without_him["gate_40"] - without_him["gate_30"]) < 0.1 * abs(row["effect"])


def test_caps_are_pooled_and_remove_nobody(project, rounds):
    load(project).load(
        metric=pd.DataFrame(
            {
                "metric_id": ["rounds_p999", "rounds_3000", "rounds_p99_active"],
                "numerator_kpi": "game_rounds",
                "metric_type": "mean",
                "window_start_day": 0,
                "window_end_day": 14,
                "cap_upper": [0.999, 3000, 0.99],
                "cap_kind": ["percentile", "fixed", "percentile_nonzero"],
            }
        )
    ).must_run()
    values = rounds["rounds"]
    thresholds = {
        "rounds_p999": values.quantile(0.999),
        "rounds_3000": 3000.0,
        "rounds_p99_active": values[values != 0].quantile(0.99),
    }
    for metric_id, threshold in thresholds.items():
        row = project.result("cookie_cats", metric_id)
        capped = values.clip(upper=threshold).groupby(rounds["variant_id"])
        assert (row["n_control"], row["n_treatment"]) == N
        assert row["mean_control"] == pytest.approx(capped.mean()["gate_30"], rel=1e-12)
        assert row["mean_treatment"] == pytest.approx(capped.mean()["gate_40"], rel=1e-12)
        assert row["effect_se"] == pytest.approx((capped.var() / capped.size()).sum() ** 0.5, rel=1e-12)

    # One player fewer moves the capped effect by no more than his capped value's share of the mean.
    uncapped = project.result("cookie_cats", "game_rounds")
    for metric_id, threshold in thresholds.items():
        capped = values.clip(upper=threshold)
        kept = values < 49_854
        means = capped[kept].groupby(rounds["variant_id"][kept]).mean()
        shift = (means["gate_40"] - means["gate_30"]) - project.result("cookie_cats", metric_id)["effect"]
        assert abs(shift) < 0.1 and abs(shift) < 0.1 * abs(uncapped["effect"])
