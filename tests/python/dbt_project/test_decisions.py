"""What is decided, and in which words: small experiments of one build, each against one mistake."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

WINDOW = 2
AS_OF = "2024-01-31"


def rate(units, share, later=None, change=0, days=20):
    """Give 0 or 1 for each unit, each day with the same share of ones; from day ``change`` on it is ``later``."""
    index = np.arange(units)
    own = np.where(index % days < change, share, share if later is None else later)
    place = index // days
    return (np.floor((place + 1) * own) > np.floor(place * own)).astype(float)


def numbers(seed, units, mean, sd=3.0):
    return np.random.default_rng(seed).normal(mean, sd, units)


def draws(seed, units, share):
    return (np.random.default_rng(seed).random(units) < share).astype(float)


def arms(control, treatment):
    return {"control": control, "treatment": treatment}


class Programme:
    """Experiments of one set of tables, each with its settings and its plan."""

    def __init__(self, write_experiment):
        self.write = write_experiment
        self.parts, self.plans = [], []

    def add(self, exp_id, both, plan=None, *, end=None, days=20, start="2024-01-01", **settings):
        tables = self.write(exp_id, both, assigned_days=days, end=end, start=start)
        tables["experiment"] = tables["experiment"].assign(min_duration_days=7, **settings)
        for metric_id, row in (plan or {}).items():
            self.plans.append({"exp_id": exp_id, "metric_id": metric_id, "role": "primary", **row})
        self.parts.append(tables)


@pytest.fixture(scope="module")
def project(shared_project, write_experiment, stack):
    """Build all of them once."""
    p = Programme(write_experiment)
    turned = {"days": 20, "sequential_method": "pocock"}
    harm_first = arms({"v": rate(8000, 0.30)}, {"v": rate(8000, 0.12, 0.375, 3)})
    gain_first = arms({"v": rate(8000, 0.30)}, {"v": rate(8000, 0.48, 0.225, 3)})
    p.add("harm_then_gain", harm_first, planned_units=32000, **turned)
    p.add("harm_then_gain_ended", harm_first, end="2024-01-29", planned_units=16000, **turned)
    p.add("gain_then_harm", gain_first, planned_units=32000, **turned)
    p.add("gain_then_harm_ended", gain_first, end="2024-01-29", planned_units=16000, **turned)
    p.add("harm_then_gain_any_time", harm_first, sequential_method="always_valid", days=20)
    crash = {"v": {}, "crash": {"role": "guardrail"}}
    crashing = arms(
        {"v": rate(1000, 0.30), "crash": rate(1000, 0.10)}, {"v": rate(1000, 0.31), "crash": rate(1000, 0.50)}
    )
    p.add("crashes", crashing, crash, planned_units=100000)
    p.add("crashes_sequential", crashing, crash, planned_units=8000, sequential_method="obrien_fleming")
    p.add("crashes_young", crashing, crash, planned_units=100000, start="2024-01-26", days=3)
    p.add("crashes_without_plan", crashing, crash)
    p.add(
        "guardrail_within_chance",
        arms({"v": rate(1000, 0.3), "crash": rate(1000, 0.10)}, {"v": rate(1000, 0.31), "crash": rate(1000, 0.13)}),
        crash,
        planned_units=100000,
    )
    p.add(
        "crashes_where_there_were_none",
        arms({"v": rate(1000, 0.3), "crash": rate(1000, 0.0)}, {"v": rate(1000, 0.4), "crash": rate(1000, 0.2)}),
        crash,
        end="2024-01-22",
    )
    better = arms({"v": draws(1, 2000, 0.30)}, {"v": draws(2, 2000, 0.40)})
    p.add("windows_open", better, end="2024-01-31", days=10, start="2024-01-21")
    p.add("windows_all_open", better, end="2024-01-31", days=1, start="2024-01-30")
    p.add("ended_early", better, end="2024-01-22", planned_units=10000)
    p.add("ended_within_a_week", better, end="2024-01-06", days=4)
    p.add("whole_weeks", better, end="2024-01-22")
    p.add("maximum", arms({"v": rate(500, 0.30)}, {"v": rate(500, 0.31)}), planned_units=9000, max_duration_days=28)
    p.add("unplanned", arms({"v": rate(1000, 0.30)}, {"v": rate(1000, 0.345)}))
    p.add("unplanned_clear", better)
    p.add("unplanned_loss", arms({"v": draws(3, 2000, 0.40)}, {"v": draws(4, 2000, 0.30)}))
    two = {"a": {}, "b": {}}
    p.add(
        "two_primaries",
        arms({"a": rate(2000, 0.3), "b": rate(2000, 0.4)}, {"a": rate(2000, 0.4), "b": rate(2000, 0.3)}),
        two,
        end="2024-01-22",
    )
    p.add(
        "no_harm_is_the_goal",
        arms({"v": rate(4000, 0.30)}, {"v": rate(4000, 0.301)}),
        {"v": {"non_inferiority_margin": 0.15}},
        end="2024-01-22",
    )
    p.add(
        "no_harm_not_shown",
        arms({"v": rate(200, 0.30)}, {"v": rate(200, 0.30)}),
        {"v": {"non_inferiority_margin": 0.15}},
        end="2024-01-22",
    )
    p.add(
        "one_sided_harm",
        arms({"v": rate(2000, 0.40)}, {"v": rate(2000, 0.30)}),
        {"v": {"alternative": "greater"}},
        end="2024-01-22",
    )
    sums = arms({"v": numbers(5, 800, 10)}, {"v": numbers(6, 800, 11)})
    for estimator in ("mann_whitney", "permutation", "trimmed"):
        p.add(f"by_{estimator}", sums, {"v": {"estimator": estimator, "mde": 0.05}}, end="2024-01-22")
    p.add("mismatch", arms({"v": rate(2000, 0.3)}, {"v": rate(1200, 0.4)}), end="2024-01-22")
    tables = stack(*p.parts)
    tables["experiment_metric"] = pd.DataFrame(p.plans)
    tables["metric"] = pd.DataFrame(
        {
            "metric_id": ["crash"],
            "numerator_kpi": ["crash"],
            "window_start_day": [0],
            "window_end_day": [WINDOW],
            "direction": ["decrease"],
        }
    )
    return shared_project.load(**tables).must_run(default_window_days=WINDOW, default_covariate_days=0, as_of=AS_OF)


# exp_id: decision, reason code, words that the sentence has, words that it must not have
EXPECTED = {
    "harm_then_gain": ("do_not_ship", "worse_then_turned", ["for harm", "has turned since"], ["better"]),
    "harm_then_gain_ended": ("do_not_ship", "worse_then_turned", ["for harm"], ["better"]),
    "harm_then_gain_any_time": ("do_not_ship", "worse_then_turned", ["for harm"], ["better"]),
    "gain_then_harm": ("keep_running", "crossing_not_kept", ["for gain has not lasted"], ["worse"]),
    "gain_then_harm_ended": ("inconclusive", "gain_not_kept", ["for gain has not lasted"], ["worse", "better"]),
    "crashes": ("do_not_ship", "guardrail_stopped", ["crash 0.5000 against 0.1000", "p < 0.0001"], ["better"]),
    "crashes_sequential": ("do_not_ship", "guardrail_stopped", ["crash 0.5000 against 0.1000"], []),
    "crashes_young": ("do_not_ship", "guardrail_stopped", ["crash 0.5000 against 0.1000"], ["at least 7"]),
    "crashes_without_plan": ("do_not_ship", "guardrail_stopped", ["crash 0.5000 against 0.1000"], []),
    "guardrail_within_chance": ("keep_running", "units_missing", ["2000 of 100000"], ["Stopped", "crash"]),
    "crashes_where_there_were_none": ("do_not_ship", "guardrail_violated", ["crash 0.2000 against 0.0000"], ["held"]),
    "windows_open": ("keep_running", "windows_open", ["closes on 2024-02-01"], ["better:", "Ended with"]),
    "windows_all_open": ("keep_running", "windows_open", ["0 of 4000 units", "2024-02-01"], ["No test"]),
    "ended_early": ("ship", "better", ["Ended with 4000 of 10000 planned units"], ["whole weeks"]),
    "ended_within_a_week": ("ship", "better", ["It ran 5 days, less than a week"], ["Ended with"]),
    "whole_weeks": ("ship", "better", [], ["It ran", "Ended"]),
    "maximum": ("inconclusive", "maximum_duration", ["at most 28", "1000 of 9000"], ["Wait"]),
    "unplanned": ("keep_running", "open_without_plan", ["always-valid interval -"], ["Significantly"]),
    "unplanned_clear": ("ship", "better", ["always-valid interval excluded zero"], ["sequential"]),
    "unplanned_loss": ("do_not_ship", "primary_worse", ["always-valid interval excluded zero"], ["sequential"]),
    "two_primaries": ("do_not_ship", "primary_worse", ["worse: b ", "Other primary metrics: a +33"], ["worse: a "]),
    "no_harm_is_the_goal": ("ship", "not_inferior", ["not to be worse by more than the margin (+15"], ["No clear"]),
    "no_harm_not_shown": ("inconclusive", "no_difference", ["No clear"], ["Shown"]),
    "one_sided_harm": ("do_not_ship", "primary_worse", ["the plan asks for gain only"], ["Significantly", "No clear"]),
    "by_mann_whitney": ("ship", "better", ["cannot be judged by ranks", "one half"], ["No clear"]),
    "by_permutation": ("ship", "better", ["no interval"], ["open whether"]),
    "by_trimmed": ("ship", "better", ["interval +"], ["open whether"]),
    "mismatch": ("invalid", "failed_check", ["Not to be trusted"], ["better", "It ran"]),
}


@pytest.fixture(scope="module")
def scorecard(project):
    """Give the scorecard with the reason codes."""
    return project.sql(
        "select card.*, decision.reason_code from experiments.experiment_scorecard as card "
        "inner join experiments_internal.treatment_decision as decision using (exp_id, variant_id)"
    ).set_index("exp_id")


@pytest.mark.parametrize("exp_id", EXPECTED)
def test_decision(scorecard, exp_id):
    decision, reason_code, words, forbidden = EXPECTED[exp_id]
    row = scorecard.loc[exp_id]
    assert (row["decision"], row["reason_code"]) == (decision, reason_code), row["reason"]
    for word in words:
        assert word in row["reason"], row["reason"]
    for word in forbidden:
        assert word not in row["reason"], row["reason"]
    assert "Launch" not in row["next_step"] or decision == "ship"


def test_a_waiting_experiment_has_the_days_left_that_its_windows_need(scorecard):
    assert scorecard.loc["windows_open", "days_left"] == 1
    assert "Wait until 2024-02-01" in scorecard.loc["windows_open", "next_step"]
    assert scorecard.loc["whole_weeks", "days_left"] == 0
    assert scorecard.loc["maximum", "days_left"] == 0


def test_nothing_is_significant_where_the_experiment_is_invalid(project):
    wrong, right = project.result("mismatch", "v"), project.result("whole_weeks", "v")
    assert wrong["p_value_adjusted"] < 0.001 and wrong["effect"] > 0
    assert not wrong["is_trustworthy"] and not wrong["is_significant"]
    assert right["is_trustworthy"] and right["is_significant"]
