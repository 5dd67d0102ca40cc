-- The single facts whose quantile a metric is (quantile metrics without an aggregation): one row per fact in the window of a
-- mature unit. Empty, and free, where no plan has such a metric.

with repeated as (
    select
        unit_key,
        plan_key
    from {{ ref('experiments__unit_total') }}
    where
        plan_key in (select plan_key from {{ ref('experiments__plan_metric') }} where is_single)
        and n_days <> bit_count(day_mask)
),

-- The key comes before every filter: a filter on the plan would otherwise reach the outer join inside and undo its order.
keyed as (
    select
        {{ dbt_experiments.unit_key() }} as fact_key,
        fact.*
    from (
        {{ dbt_experiments.fact_rows('single') }}
    ) as fact
),

keyed_again as (
    select
        {{ dbt_experiments.unit_key() }} as fact_key,
        fact.*
    from (
        {{ dbt_experiments.fact_rows('single', only='repeated') }}
    ) as fact
),

fact as (
    select
        keyed.fact_key,
        keyed.unit_key,
        keyed.plan_key,
        keyed.fact_value
    from keyed
    left join repeated on keyed.unit_key = repeated.unit_key and keyed.plan_key = repeated.plan_key
    where keyed.slot = 0 and repeated.unit_key is null

    union all

    select
        fact_key,
        unit_key,
        plan_key,
        fact_value
    from keyed_again
    where slot = 0
)

select
    cast(fact.fact_key as {{ dbt.type_bigint() }}) as fact_key,
    fact.plan_key,
    unit.variant_key,
    fact.unit_key,
    fact.fact_value as value
from fact
inner join {{ ref('experiments__population_unit') }} as unit on fact.unit_key = unit.unit_key
inner join {{ ref('experiments__plan_metric') }} as plan on fact.plan_key = plan.plan_key
where {{ dbt_experiments.mature_on('unit.anchored_at', 'plan', 'plan.as_of') }} <= plan.as_of
