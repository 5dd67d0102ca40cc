-- The cumulative estimate at every look: on each day on which units matured, what the analysis would have shown with the
-- units mature by then. Intervals are for a reader who looks once.

select
    look.exp_id,
    look.metric_id,
    look.variant_id,
    look.population,
    look.dimension,
    look.segment,
    cast(look.look_date as date) as look_date,
    look.metric_type,
    look.estimator,
    look.n_control,
    look.n_treatment,
    look.clusters_control,
    look.clusters_treatment,
    look.mean_control,
    look.mean_treatment,
    look.effect,
    look.effect_se,
    look.effect_ci_low,
    look.effect_ci_high,
    look.lift,
    look.lift_ci_low,
    look.lift_ci_high,
    look.p_value,
    cast(null as {{ dbt_experiments.type_double() }}) as sequential_p_value,
    cast(null as {{ dbt_experiments.type_double() }}) as sequential_ci_low,
    cast(null as {{ dbt_experiments.type_double() }}) as sequential_ci_high,
    look.status
from {{ ref('look') }} as look
