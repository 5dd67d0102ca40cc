"""Rows of the optional inputs that cannot be used are listed, as those of the core tables are."""

from __future__ import annotations

import pandas as pd


def test_rows_of_optional_inputs_that_match_nothing_are_listed(project):
    day = pd.Timestamp("2026-03-02")
    project.load(
        experiment=pd.DataFrame(
            {
                "exp_id": ["e"],
                "name": ["e"],
                "start_time": [day],
                "end_time": [pd.NaT],
                "unit": ["user"],
                "primary_kpi": ["orders"],
            }
        ),
        variant=pd.DataFrame({"exp_id": ["e", "e"], "variant_id": ["control", "new"], "traffic_pct": [0.5, 0.5]}),
        assignment=pd.DataFrame(
            {
                "exp_id": ["e"] * 4,
                "unit_id": ["a", "b", "c", "d"],
                "variant_id": ["control", "new"] * 2,
                "assigned_at": [day] * 4,
            }
        ),
        kpi_outcome=pd.DataFrame(
            {"exp_id": ["e"], "unit_id": ["a"], "metric_date": [day.date()], "kpi_name": ["orders"], "kpi_value": [1.0]}
        ),
        traffic_change=pd.DataFrame(
            {
                "exp_id": ["e", "lost", "e", "e"],
                "variant_id": ["nobody", "control", "new", None],
                "effective_at": [day] * 4,
                "traffic_pct": [0.5, 0.5, -1.0, 0.5],
            }
        ),
        eligible_unit=pd.DataFrame({"exp_id": ["e", "lost"], "unit_id": [None, "a"], "eligible_at": [day] * 2}),
        excluded_unit=pd.DataFrame({"unit_id": [None, "z"], "reason": ["bot", "bot"], "exp_id": ["e", "lost"]}),
    )
    assert project.run().success
    issues = project.table("experiment_data_issue")
    found = set(zip(issues["input"], issues["reason"], strict=True))
    assert {
        ("traffic_change", "unknown_variant"), ("traffic_change", "unknown_experiment"),
        ("traffic_change", "bad_traffic"), ("traffic_change", "null_key"),
        ("eligible_unit", "null_key"), ("eligible_unit", "unknown_experiment"),
        ("excluded_unit", "null_key"), ("excluded_unit", "unknown_experiment"),
    } <= found  # fmt: skip
