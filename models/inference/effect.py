"""The effect of every treatment on every planned metric, at `as_of`: all estimators, with corrections by family."""

from python_stats.analysis.effects import Evidence, Settings, effects
from python_stats.analysis.typed_frame import EFFECT_COLUMNS, typed_frame


def model(dbt, session):
    dbt.config(materialized="table")
    prior_lift_sd = dbt.config.meta_get("prior_lift_sd")
    settings = Settings(
        min_units=int(dbt.config.meta_get("min_units")),
        exact_below=float(dbt.config.meta_get("exact_below")),
        lift_method=dbt.config.meta_get("lift_interval"),
        prior_lift_sd=None if prior_lift_sd in (None, "None") else float(prior_lift_sd),
        corrections={
            "primary": dbt.config.meta_get("correction_primary"),
            "guardrail": dbt.config.meta_get("correction_guardrail"),
            "secondary": dbt.config.meta_get("correction_secondary"),
            "exploratory": dbt.config.meta_get("correction_exploratory"),
        },
    )
    comparisons = dbt.ref("comparison").df()
    planned = set(comparisons["estimator"].dropna()) | set(comparisons["metric_type"])

    def moments(relation, *asked_by):
        # An engine may scan the units before it sees that no plan asks; a filter that is false spares it the scan.
        return (relation if planned & set(asked_by) else relation.filter("false")).df()

    evidence = Evidence(
        covariate_moments=moments(dbt.ref("covariate_moment"), "regression"),
        stratum_moments=dbt.ref("stratum_moment").df(),
        cluster_totals=dbt.ref("cluster_arm_total").df(),
        order_statistics=moments(dbt.ref("order_statistic"), "quantile"),
        shares_below=moments(dbt.ref("share_below"), "quantile"),
        unit_buckets=moments(dbt.ref("unit_bucket"), "bootstrap", "permutation"),
        rank_sums=moments(dbt.ref("rank_sum"), "mann_whitney"),
        trimmed_moments=moments(dbt.ref("trimmed_moment"), "trimmed"),
        log_moments=moments(dbt.ref("log_moment"), "geometric"),
        exposure_moments=dbt.ref("exposure_moment").df(),
    )
    return typed_frame(effects(comparisons, evidence, dbt.ref("look").df(), settings), EFFECT_COLUMNS)
