-- What the facts are joined to: one row per kpi that a planned metric reads, as its numerator or denominator, in each
-- population.

with plan as (
    select
        plan.plan_key,
        plan.exp_id,
        plan.population,
        plan.population_key,
        metric.numerator_kpi,
        metric.denominator_kpi,
        metric.aggregation,
        metric.window_start_day,
        metric.window_end_day,
        metric.covariate_days,
        experiment.end_time
    from {{ ref('experiments__population_plan') }} as plan
    inner join {{ ref('experiments__metric') }} as metric on plan.metric_id = metric.metric_id
    inner join {{ ref('experiments__experiment') }} as experiment on plan.exp_id = experiment.exp_id
    where plan.issue is null
),

parts as (
    select *, 0 as part, numerator_kpi as kpi_name from plan
    union all
    select *, 1 as part, denominator_kpi as kpi_name from plan where denominator_kpi is not null
)

select
    parts.plan_key,
    parts.exp_id,
    parts.population,
    parts.population_key,
    parts.kpi_name,
    cast(dense_rank() over (order by parts.kpi_name) as integer) as kpi_key,
    cast(parts.part as integer) as part,
    parts.aggregation,
    case
        when parts.aggregation in ('max', 'min', 'last') then 'extreme'
        when parts.aggregation = 'each' then 'single'
        when parts.denominator_kpi is not null then 'ratio'
        else 'plain'
    end as shape,
    parts.aggregation not in ('count', 'count_days', 'any') as counts_value,
    parts.aggregation = 'count' as counts_rows,
    cast(parts.window_start_day as integer) as window_start_day,
    -- Far beyond any calendar: an open window is bounded by `outcome_until` alone.
    cast(coalesce(parts.window_end_day, 1000000) as integer) as window_end_day,
    cast(parts.covariate_days as integer) as covariate_days,
    case
        when parts.window_end_day is null and cast(parts.end_time as date) < clock.as_of
            then
                case
                    when parts.end_time > cast(parts.end_time as date)
                        then {{ dbt_experiments.add_days('cast(parts.end_time as date)', 1) }}
                    else cast(parts.end_time as date)
                end
        else clock.as_of
    end as outcome_until
from parts
cross join {{ ref('experiments__analysis_date') }} as clock
