"""The effect of every treatment on every planned metric, at `as_of`: all estimators, with corrections by family."""

from dataclasses import replace

from python_stats.analysis.effects import Evidence, effects
from python_stats.analysis.settings import Settings
from python_stats.analysis.typed_frame import EFFECT_COLUMNS, typed_frame


def model(dbt, session):
    dbt.config(materialized="table")
    # dbt finds the variables of a model by reading these calls: they cannot be wrapped.
    settings = Settings.read(
        min_units=dbt.config.meta_get("min_units"),
        exact_below=dbt.config.meta_get("exact_below"),
        score_below=dbt.config.meta_get("score_below"),
        skewness_corrected_from=dbt.config.meta_get("skewness_corrected_from"),
        skewness_limit=dbt.config.meta_get("skewness_limit"),
        lift_method=dbt.config.meta_get("lift_interval"),
        prior_lift_sd=dbt.config.meta_get("prior_lift_sd"),
    )
    corrections = {
        "primary": dbt.config.meta_get("correction_primary"),
        "guardrail": dbt.config.meta_get("correction_guardrail"),
        "secondary": dbt.config.meta_get("correction_secondary"),
        "exploratory": dbt.config.meta_get("correction_exploratory"),
    }
    comparisons = dbt.ref("experiments__comparison").df()
    planned = set(comparisons["estimator"].dropna()) | set(comparisons["metric_type"])

    def moments(relation, *asked_by):
        # An engine may scan the units before it sees that no plan asks; a filter that is false spares it the scan.
        return (relation if planned & set(asked_by) else relation.filter("false")).df()

    evidence = Evidence(
        covariate_moments=moments(dbt.ref("experiments__covariate_moment"), "regression"),
        stratum_moments=dbt.ref("experiments__stratum_moment").df(),
        cluster_totals=dbt.ref("experiments__few_cluster_total").df(),
        order_statistics=moments(dbt.ref("experiments__order_statistic"), "quantile"),
        shares_below=moments(dbt.ref("experiments__share_below"), "quantile"),
        unit_buckets=moments(dbt.ref("experiments__unit_bucket"), "bootstrap", "permutation"),
        rank_sums=moments(dbt.ref("experiments__rank_sum"), "mann_whitney"),
        trimmed_moments=moments(dbt.ref("experiments__trimmed_moment"), "trimmed"),
        log_moments=moments(dbt.ref("experiments__log_moment"), "geometric"),
        exposure_moments=dbt.ref("experiments__exposure_moment").df(),
    )
    found = effects(
        comparisons, evidence, dbt.ref("experiments__look").df(), replace(settings, corrections=corrections)
    )
    return typed_frame(found, EFFECT_COLUMNS)
