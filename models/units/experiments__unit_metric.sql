{{ config(materialized='view') }}
-- One row per unit and metric with something other than zero: the numbers that moments are taken of. Caps bound the
-- numerator and its covariate by the same pooled thresholds; no unit is ever removed.

select
    unit_value.exp_id,
    unit_value.metric_id,
    unit_value.population,
    unit_value.unit_id,
    unit_value.plan_key,
    unit_value.unit_key,
    unit_value.variant_id,
    unit_value.variant_key,
    unit_value.cluster_id,
    unit_value.stratum,
    unit_value.assigned_at,
    unit_value.mature_on,
    {{ dbt_experiments.capped('unit_value.numerator') }} as numerator,
    unit_value.denominator,
    {{ dbt_experiments.capped('unit_value.covariate') }} as covariate,
    unit_value.covariate_denominator
from {{ ref('experiments__unit_value') }} as unit_value
left join {{ ref('experiments__metric_cap') }} as cap on unit_value.plan_key = cap.plan_key
