{{ config(materialized='view') }}
-- Units per planned metric, variant and day on which their window closed; the days up to `as_of` only.

select
    plan.plan_key,
    assigned.variant_key,
    {{ dbt_experiments.mature_on_count('assigned') }} as mature_on,
    sum(assigned.n_units) as n
from {{ ref('assignment_count') }} as assigned
inner join {{ ref('plan_metric') }} as plan on assigned.exp_id = plan.exp_id
group by plan.plan_key, assigned.variant_key, mature_on, plan.as_of
having mature_on <= plan.as_of
