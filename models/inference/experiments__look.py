"""The effect of every treatment at every look, and what may be said of it however often one looks."""

from python_stats.analysis.judgement.monitoring import SEQUENTIAL_COLUMNS
from python_stats.analysis.look_estimates import look_estimates
from python_stats.analysis.settings import Settings
from python_stats.analysis.table.typed_frame import LOOK_COLUMNS, typed_frame


def model(dbt, session):
    dbt.config(materialized="table")
    settings = Settings.read(**dbt.config.meta_get("settings"))
    columns = LOOK_COLUMNS | SEQUENTIAL_COLUMNS
    looks = look_estimates(dbt.ref("experiments__look_comparison").df(), settings)
    return typed_frame(looks.frame(list(columns)), columns)
