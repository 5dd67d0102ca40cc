{{ config(materialized='view') }}
-- How many mature units of each variant have each value, units without outcome included, for the plans whose estimator needs
-- the order or the logarithm of single values. Units of clusters are not independent draws: no rows for those experiments.

with asked as (
    select *
    from {{ ref('experiments__plan_metric') }}
    where
        estimator in ('mann_whitney', 'trimmed', 'geometric')
        and not has_denominator
        and has_moments
        and not is_clustered
),

active as (
    select
        asked.estimator,
        unit.plan_key,
        unit.variant_key,
        unit.numerator as value,
        count(*) as n
    from {{ ref('experiments__unit_metric') }} as unit
    inner join asked on unit.plan_key = asked.plan_key
    where unit.mature_on <= asked.as_of
    group by asked.estimator, unit.plan_key, unit.variant_key, unit.numerator
),

arm as (
    select
        asked.estimator,
        asked.plan_key,
        mature_count.variant_key,
        {{ dbt_experiments.capped('asked.value_without_facts') }} as silent,
        sum(mature_count.n) as n
    from {{ ref('experiments__mature_count') }} as mature_count
    inner join asked on mature_count.plan_key = asked.plan_key
    left join {{ ref('experiments__metric_cap') }} as cap on asked.plan_key = cap.plan_key
    group by asked.estimator, asked.plan_key, mature_count.variant_key, silent
),

active_count as (
    select
        plan_key,
        variant_key,
        sum(n) as n
    from active
    group by plan_key, variant_key
),

counted as (
    select * from active

    union all

    select
        arm.estimator,
        arm.plan_key,
        arm.variant_key,
        arm.silent as value,
        arm.n - coalesce(active_count.n, 0) as n
    from arm
    left join active_count on arm.plan_key = active_count.plan_key and arm.variant_key = active_count.variant_key
)

select
    estimator,
    plan_key,
    variant_key,
    value,
    cast(sum(n) as {{ dbt.type_bigint() }}) as n
from counted
group by estimator, plan_key, variant_key, value
having sum(n) > 0
