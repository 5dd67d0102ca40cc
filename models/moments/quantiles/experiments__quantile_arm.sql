{{ config(materialized='view') }}
-- How many values each arm of a quantile metric has: its mature units, of which `n_silent` have no facts and all the value
-- `silent`; or its single facts. `is_grouped` where values are not independent: facts of one unit, units of one cluster.

with stored as (
    select
        plan_key,
        variant_key,
        count(*) as n
    from {{ ref('experiments__quantile_value') }}
    group by plan_key, variant_key
),

mature as (
    select
        plan_key,
        variant_key,
        sum(n) as n
    from {{ ref('experiments__mature_count') }}
    where plan_key in (select plan_key from {{ ref('experiments__plan_metric') }} where is_quantile)
    group by plan_key, variant_key
)

select
    mature.plan_key,
    mature.variant_key,
    plan.quantile,
    plan.is_single,
    plan.is_clustered,
    plan.is_single or plan.is_clustered as is_grouped,
    cast(case when plan.is_single then coalesce(stored.n, 0) else mature.n end as {{ dbt.type_bigint() }}) as n,
    cast(
        case when plan.is_single then 0 else mature.n - coalesce(stored.n, 0) end as {{ dbt.type_bigint() }}
    ) as n_silent,
    {{ dbt_experiments.capped('plan.value_without_facts') }} as silent
from mature
inner join {{ ref('experiments__plan_metric') }} as plan on mature.plan_key = plan.plan_key
left join stored on mature.plan_key = stored.plan_key and mature.variant_key = stored.variant_key
left join {{ ref('experiments__metric_cap') }} as cap on mature.plan_key = cap.plan_key
