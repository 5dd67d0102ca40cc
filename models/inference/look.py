"""The effect of every treatment at every look: the cumulative estimate on each day on which units matured."""

from python_stats.estimates import estimate_effects
from python_stats.typed_frame import LOOK_COLUMNS, typed_frame


def model(dbt, session):
    dbt.config(materialized="table")
    estimates = estimate_effects(dbt.ref("look_comparison").df(), min_units=dbt.config.meta_get("min_units"))
    return typed_frame(estimates[estimates["is_headline"]], LOOK_COLUMNS)
