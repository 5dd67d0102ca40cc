"""The effect of every treatment on every planned metric, at `as_of`: all estimators, with corrections by family."""

from python_stats.analysis.effects import effects
from python_stats.analysis.estimators.register import tables_asked_for
from python_stats.analysis.settings import Settings
from python_stats.analysis.table.typed_frame import EFFECT_COLUMNS, typed_frame


def model(dbt, session):
    dbt.config(materialized="table")
    settings = Settings.read(**dbt.config.meta_get("settings"))
    comparisons = dbt.ref("experiments__comparison").df()
    # dbt finds what a model reads by these calls: they cannot be made from the register, whose names they have.
    tables = {
        "covariate_moment": dbt.ref("experiments__covariate_moment"),
        "stratum_moment": dbt.ref("experiments__stratum_moment"),
        "few_cluster_total": dbt.ref("experiments__few_cluster_total"),
        "order_statistic": dbt.ref("experiments__order_statistic"),
        "share_below": dbt.ref("experiments__share_below"),
        "unit_bucket": dbt.ref("experiments__unit_bucket"),
        "rank_sum": dbt.ref("experiments__rank_sum"),
        "trimmed_moment": dbt.ref("experiments__trimmed_moment"),
        "log_moment": dbt.ref("experiments__log_moment"),
        "exposure_moment": dbt.ref("experiments__exposure_moment"),
    }
    asked = tables_asked_for(comparisons["estimator"].dropna().unique(), comparisons["metric_type"].unique())
    # An engine may scan the units before it sees that no plan asks; a filter that is false spares it the scan.
    evidence = {name: (table if name in asked else table.filter("false")).df() for name, table in tables.items()}
    looks = dbt.ref("experiments__look").filter("is_last_look").df()
    return typed_frame(effects(comparisons, evidence, looks, settings), EFFECT_COLUMNS)
