"""The effect of every treatment on every planned metric, at `as_of`: all estimators, with corrections by family."""

from python_stats.analysis.effects import Evidence, effects
from python_stats.analysis.typed_frame import EFFECT_COLUMNS, typed_frame


def model(dbt, session):
    dbt.config(materialized="table")
    corrections = {
        "primary": dbt.config.meta_get("correction_primary"),
        "guardrail": dbt.config.meta_get("correction_guardrail"),
        "secondary": dbt.config.meta_get("correction_secondary"),
        "exploratory": dbt.config.meta_get("correction_exploratory"),
    }
    evidence = Evidence()
    estimates = effects(
        dbt.ref("comparison").df(), evidence, corrections, min_units=int(dbt.config.meta_get("min_units"))
    )
    return typed_frame(estimates, EFFECT_COLUMNS)
