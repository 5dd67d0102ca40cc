"""The effect of every treatment at every look, and what may be said of it however often one looks."""

from python_stats.analysis.look_estimates import look_estimates
from python_stats.analysis.sequential import SEQUENTIAL_COLUMNS, monitored
from python_stats.analysis.typed_frame import LOOK_COLUMNS, typed_frame


def model(dbt, session):
    dbt.config(materialized="table")
    comparisons = dbt.ref("look_comparison").df()
    looks = look_estimates(
        comparisons,
        min_units=int(dbt.config.meta_get("min_units")),
        exact_below=float(dbt.config.meta_get("exact_below")),
        lift_method=dbt.config.meta_get("lift_interval"),
    )
    followed = monitored(
        looks,
        comparisons,
        target_units=float(dbt.config.meta_get("always_valid_target_units")),
        skewness_limit=float(dbt.config.meta_get("skewness_limit")),
    )
    return typed_frame(followed, LOOK_COLUMNS | SEQUENTIAL_COLUMNS)
