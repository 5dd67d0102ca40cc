"""The effect of every treatment at every look: the cumulative estimate on each day on which units matured."""

from python_stats.analysis.headline import mark_headline
from python_stats.analysis.moment_estimates import moment_estimates
from python_stats.analysis.typed_frame import LOOK_COLUMNS, typed_frame


def model(dbt, session):
    dbt.config(materialized="table")
    comparisons = dbt.ref("look_comparison").df()
    estimates = moment_estimates(comparisons, min_units=int(dbt.config.meta_get("min_units")))
    estimates = mark_headline(estimates, comparisons)
    return typed_frame(estimates[estimates["is_headline"]], LOOK_COLUMNS)
