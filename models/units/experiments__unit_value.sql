{{ config(materialized='view') }}
-- Each unit's value of each metric before caps: totals finished by the metric's aggregation and threshold, with the day the
-- window closes. Sparse like the totals.

with total as (
    select
        unit_key,
        plan_key,
        numerator,
        denominator,
        covariate,
        covariate_denominator
    from {{ ref('experiments__unit_total') }}
    where n_days = bit_count(day_mask) or n_days = 0

    union all

    select
        unit_key,
        plan_key,
        numerator,
        denominator,
        covariate,
        covariate_denominator
    from {{ ref('experiments__unit_total_deduplicated') }}
)

select
    plan.exp_id,
    plan.metric_id,
    plan.population,
    unit.unit_id,
    plan.plan_key,
    unit.unit_key,
    unit.variant_id,
    unit.variant_key,
    unit.cluster_id,
    unit.stratum,
    unit.assigned_at,
    {{ dbt_experiments.mature_on('unit.anchored_at', 'plan', 'plan.as_of') }} as mature_on,
    {{ dbt_experiments.unit_outcome('total.numerator') }} as numerator,
    case when plan.has_denominator then total.denominator end as denominator,
    case when plan.covariate_days > 0 then {{ dbt_experiments.unit_outcome('total.covariate') }} end as covariate,
    case when plan.covariate_days > 0 and plan.has_denominator then total.covariate_denominator end
        as covariate_denominator
from total
inner join {{ ref('experiments__population_unit') }} as unit on total.unit_key = unit.unit_key
inner join {{ ref('experiments__plan_metric') }} as plan on total.plan_key = plan.plan_key
