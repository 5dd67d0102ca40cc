"""The effect of every treatment at every look, and what may be said of it however often one looks."""

from python_stats.analysis.look_estimates import look_estimates
from python_stats.analysis.sequential import SEQUENTIAL_COLUMNS, monitored
from python_stats.analysis.settings import Settings
from python_stats.analysis.typed_frame import LOOK_COLUMNS, typed_frame


def model(dbt, session):
    dbt.config(materialized="table")
    comparisons = dbt.ref("experiments__look_comparison").df()
    # dbt finds the variables of a model by reading these calls: they cannot be wrapped.
    settings = Settings.read(
        min_units=dbt.config.meta_get("min_units"),
        exact_below=dbt.config.meta_get("exact_below"),
        score_below=dbt.config.meta_get("score_below"),
        skewness_corrected_from=dbt.config.meta_get("skewness_corrected_from"),
        skewness_limit=dbt.config.meta_get("skewness_limit"),
        lift_method=dbt.config.meta_get("lift_interval"),
    )
    looks = look_estimates(comparisons, settings)
    target_units = float(dbt.config.meta_get("always_valid_target_units"))
    followed = monitored(looks, comparisons, target_units=target_units)
    return typed_frame(followed, LOOK_COLUMNS | SEQUENTIAL_COLUMNS)
