{{ config(materialized='view') }}
-- What the effect on compliers needs beside the moments, per planned metric of the assigned population and variant: how many of
-- the mature units were exposed before their window closed, and the covariance of exposure and numerator. A sum over the
-- exposed units of deviations from the variant's mean is that covariance: units that were not exposed drop out of it.
-- Means and rates of units that were assigned one by one; empty without exposures.

with plan as (
    select * from {{ ref('experiments__plan_metric') }}
    where
        population = 'assigned'
        and not has_denominator
        and has_moments
        and exp_id in (select exp_id from {{ ref('experiments__exposure_count') }})
        and not is_clustered
),

arm as (
    select
        moment.plan_key,
        moment.variant_id,
        variant.variant_key,
        moment.n,
        moment.mean_numerator,
        {{ dbt_experiments.capped('plan.value_without_facts') }} as silent
    from {{ ref('experiments__metric_moment') }} as moment
    inner join plan on moment.plan_key = plan.plan_key
    inner join {{ ref('experiments__variant') }} as variant
        on moment.exp_id = variant.exp_id and moment.variant_id = variant.variant_id
    left join {{ ref('experiments__metric_cap') }} as cap on moment.plan_key = cap.plan_key
),

assigned as (
    select
        *,
        is_assigned_after_midnight as is_after_midnight
    from {{ ref('experiments__exposure_count') }}
),

exposed as (
    select
        plan.plan_key,
        assigned.variant_key,
        sum(assigned.n_units) as n
    from assigned
    inner join plan on assigned.exp_id = plan.exp_id
    where
        {{ dbt_experiments.mature_on_count('assigned', day='assigned_on') }} <= plan.as_of
        and {{ dbt_experiments.exposed_in_window('assigned') }}
    group by plan.plan_key, assigned.variant_key
),

active as (
    select
        arm.plan_key,
        arm.variant_key,
        count(*) as n,
        sum(unit.numerator - arm.mean_numerator) as total
    from {{ ref('experiments__unit_metric') }} as unit
    inner join {{ ref('experiments__exposure') }} as exposure on unit.unit_key = exposure.unit_key
    inner join plan on unit.plan_key = plan.plan_key
    inner join arm on unit.plan_key = arm.plan_key and unit.variant_key = arm.variant_key
    where
        unit.mature_on <= plan.as_of
        and {{ dbt_experiments.exposed_in_window('exposure') }}
    group by arm.plan_key, arm.variant_key
)

select
    arm.plan_key,
    arm.variant_id,
    arm.n,
    cast(coalesce(exposed.n, 0) as {{ dbt.type_bigint() }}) as n_exposed,
    case when arm.n > 1
        then
            (
                coalesce(active.total, 0)
                + (coalesce(exposed.n, 0) - coalesce(active.n, 0)) * (arm.silent - arm.mean_numerator)
            ) / (arm.n - 1)
    end as cov_numerator_exposure
from arm
left join exposed on arm.plan_key = exposed.plan_key and arm.variant_key = exposed.variant_key
left join active on arm.plan_key = active.plan_key and arm.variant_key = active.variant_key
