{{ config(materialized='view') }}
-- The covariates of the plans that ask for `regression`, in the order in which they are taken: the metric's own pre-period,
-- that of the experiment's other metrics, numeric attributes. All of it was known before the assignment. At most
-- `max_covariates` of a plan; empty where no plan asks. Not in the schema: it counts units (assignment_count) and centres
-- attributes, which are moments.

with plan as (
    select
        plan_key,
        exp_id,
        population_key
    from {{ ref('experiments__plan_metric') }}
    where estimator = 'regression' and has_moments
),

-- Metrics that differ in their window only have the same pre-period: it counts once, under the metric's own name if it can.
source as (
    select
        plan.plan_key,
        source.plan_key as source_plan_key,
        source.metric_id,
        source.has_denominator,
        source.plan_key = plan.plan_key as is_own,
        row_number() over (
            partition by
                plan.plan_key, metric.numerator_kpi, source.aggregation, source.threshold,
                source.cap_lower, source.cap_upper, source.cap_kind, source.covariate_days
            order by case when source.plan_key = plan.plan_key then 0 else 1 end, source.metric_id
        ) as occurrence
    from plan
    inner join {{ ref('experiments__plan_metric') }} as source on plan.population_key = source.population_key
    inner join {{ ref('experiments__metric') }} as metric on source.metric_id = metric.metric_id
    where source.covariate_days > 0 and not source.is_single
),

attribute_value as (
    select
        exp_id,
        attribute,
        {{ dbt_experiments.try_cast('value', dbt_experiments.type_double()) }} as number
    from {{ ref('experiments__unit_attribute') }}
    where exp_id in (select exp_id from plan)
),

-- An attribute is numeric when every value of it is. Any constant serves as its centre: it is what a unit without the
-- attribute gets, and a column beside it says which units those are.
attribute as (
    select
        value.exp_id,
        value.attribute,
        avg(value.number) as centre,
        count(*) < max(assigned.n_units) as is_partly_known
    from attribute_value as value
    inner join (
        select
            exp_id,
            sum(n_units) as n_units
        from {{ ref('experiments__assignment_count') }}
        group by exp_id
    ) as assigned on value.exp_id = assigned.exp_id
    group by value.exp_id, value.attribute
    having
        count(*) = count(case when {{ dbt_experiments.is_finite('value.number') }} then 1 end)
        and min(value.number) < max(value.number)
),

candidate as (
    select
        plan_key,
        case when is_own then 1 else 3 end as turn,
        metric_id as name,
        'covariate' as part,
        source_plan_key,
        cast(null as {{ dbt.type_string() }}) as attribute,
        cast(null as {{ dbt_experiments.type_double() }}) as centre,
        1 as width
    from source
    where occurrence = 1

    union all

    select
        plan_key,
        2 as turn,
        metric_id as name,
        'covariate_denominator' as part,
        source_plan_key,
        cast(null as {{ dbt.type_string() }}) as attribute,
        cast(null as {{ dbt_experiments.type_double() }}) as centre,
        1 as width
    from source
    where is_own and has_denominator

    union all

    select
        plan.plan_key,
        4 as turn,
        attribute.attribute as name,
        'attribute' as part,
        cast(null as integer) as source_plan_key,
        attribute.attribute,
        attribute.centre,
        case when attribute.is_partly_known then 2 else 1 end as width
    from plan
    inner join attribute on plan.exp_id = attribute.exp_id
),

placed as (
    select
        *,
        sum(width) over (
            partition by plan_key order by turn, name rows between unbounded preceding and current row
        ) as last_position
    from candidate
),

kept as (
    select * from placed
    where last_position <= {{ var('max_covariates') }}
)

select
    plan_key,
    cast(last_position - width + 1 as integer) as position,
    part || ' ' || name as variable,
    part,
    source_plan_key,
    attribute,
    centre
from kept

union all

select
    plan_key,
    cast(last_position as integer) as position,
    'attribute_is_known ' || name as variable,
    'attribute_is_known' as part,
    source_plan_key,
    attribute,
    centre
from kept
where width = 2
