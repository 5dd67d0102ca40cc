"""The effect of every treatment on every planned metric, at `as_of`: all estimators, with corrections by family."""

from python_stats.estimates import correct_families, estimate_effects
from python_stats.typed_frame import EFFECT_COLUMNS, typed_frame


def model(dbt, session):
    dbt.config(materialized="table")
    corrections = {
        "primary": dbt.config.meta_get("correction_primary"),
        "guardrail": dbt.config.meta_get("correction_guardrail"),
        "secondary": dbt.config.meta_get("correction_secondary"),
        "exploratory": dbt.config.meta_get("correction_exploratory"),
    }
    comparisons = dbt.ref("comparison").df()
    plan = comparisons[["exp_id", "metric_id", "variant_id", "role", "alpha", "correction"]]
    estimates = estimate_effects(comparisons, min_units=dbt.config.meta_get("min_units"))
    estimates = estimates.merge(plan, on=["exp_id", "metric_id", "variant_id"], how="left")
    estimates["correction"] = estimates["correction"].fillna(estimates["role"].map(corrections)).fillna("none")
    return typed_frame(correct_families(estimates), EFFECT_COLUMNS)
