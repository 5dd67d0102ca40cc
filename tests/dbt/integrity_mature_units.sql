{{ config(
    enabled=var('test_facts') if var('test_facts') is not none else var('demo', project_name == 'dbt_experiments')
) }}
-- n in the results is the number of mature units, counted one by one from who was assigned or exposed: not the units with
-- outcomes (an inner join would lose the silent ones), not more (a join that fans out). A window on events closes at the second
-- of the anchor, one on daily facts at midnight, an open one is never waited for.

with counted as (
    select
        plan.exp_id,
        plan.metric_id,
        plan.population,
        unit.variant_id,
        count(*) as n
    from {{ ref('experiments__plan_metric') }} as plan
    inner join {{ ref('experiments__population_unit') }} as unit
        on plan.exp_id = unit.exp_id and plan.population = unit.population
    where
        plan.window_end_day is null
        or {{ dbt.dateadd(
            'day', 'plan.window_end_day',
            'case when plan.reads_events then unit.anchored_at else cast(unit.anchored_on as timestamp) end'
        ) }} <= cast(plan.as_of as timestamp)
    group by plan.exp_id, plan.metric_id, plan.population, unit.variant_id
)

select
    results.exp_id,
    results.metric_id,
    results.population,
    results.variant_id,
    results.n_control,
    control.n as counted_control,
    results.n_treatment,
    treatment.n as counted_treatment
from {{ ref('experiment_results') }} as results
left join counted as control
    on
        results.exp_id = control.exp_id
        and results.metric_id = control.metric_id
        and results.population = control.population
        and results.control_variant_id = control.variant_id
left join counted as treatment
    on
        results.exp_id = treatment.exp_id
        and results.metric_id = treatment.metric_id
        and results.population = treatment.population
        and results.variant_id = treatment.variant_id
where
    results.dimension = 'all'
    and (results.n_control <> coalesce(control.n, 0) or results.n_treatment <> coalesce(treatment.n, 0))
