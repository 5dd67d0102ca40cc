{{ config(materialized='view') }}
-- Units per planned metric, variant and day on which their window closed; the days up to `as_of` only.

with counted as (
    select
        exp_id,
        'assigned' as population,
        variant_key,
        assigned_on as anchored_on,
        is_after_midnight,
        n_units
    from {{ ref('experiments__assignment_count') }}

    union all

    select
        exp_id,
        'exposed' as population,
        variant_key,
        exposed_on as anchored_on,
        is_exposed_after_midnight as is_after_midnight,
        n_units
    from {{ ref('experiments__exposure_count') }}
)

select
    plan.plan_key,
    counted.variant_key,
    {{ dbt_experiments.mature_on_count('counted') }} as mature_on,
    sum(counted.n_units) as n
from counted
inner join {{ ref('experiments__plan_metric') }} as plan on counted.exp_id = plan.exp_id and counted.population = plan.population
group by plan.plan_key, counted.variant_key, mature_on, plan.as_of
having mature_on <= plan.as_of
