{{ config(materialized='view') }}
-- The computable part of the plan with its metric definitions beside it, once per population: what the unit and moment models
-- join to.

with event_kpi as (
    select distinct kpi_name
    from {{ ref('experiments__kpi_profile') }}
    where input = 'kpi_event' and kpi_name is not null
)

select
    plan.plan_key,
    plan.assigned_plan_key,
    plan.exp_id,
    plan.population,
    plan.population_key,
    plan.metric_id,
    metric.metric_type,
    metric.aggregation,
    metric.threshold,
    metric.cap_lower,
    metric.cap_upper,
    metric.cap_kind,
    metric.quantile,
    plan.estimator,
    metric.covariate_days,
    metric.window_end_day,
    metric.window_end_day is null as is_open_window,
    metric.denominator_kpi is not null as has_denominator,
    plan.is_clustered,
    metric.metric_type not in ('quantile', 'time_to_event') as has_moments,
    metric.metric_type = 'quantile' as is_quantile,
    metric.aggregation = 'each' as is_single,
    (
        metric.numerator_kpi in (select kpi_name from event_kpi)
        or coalesce(metric.denominator_kpi in (select kpi_name from event_kpi), false)
    ) as reads_events,
    -- What a unit without any fact is worth: zero, seen through the metric's threshold.
    case when metric.threshold <= 0 then 1.0 else 0.0 end as value_without_facts,
    clock.as_of
from {{ ref('experiments__population_plan') }} as plan
inner join {{ ref('experiments__metric') }} as metric on plan.metric_id = metric.metric_id
cross join {{ ref('experiments__analysis_date') }} as clock
where plan.issue is null
