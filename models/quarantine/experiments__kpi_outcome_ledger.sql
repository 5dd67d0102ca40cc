-- The ledger of the facts: rows in the input against rows that reached a unit, per experiment and kpi. Where they balance,
-- there is nothing to look for; only the others are searched row by row. The assigned population holds every unit, so its plans
-- alone account for the facts.

with counted as (
    select
        plan_key,
        sum(n_rows - n_denominator_rows) as numerator_rows,
        sum(n_denominator_rows) as denominator_rows,
        count(case when n_days <> bit_count(day_mask) then 1 end) as n_repeated
    from {{ ref('experiments__unit_total') }}
    group by plan_key
),

reader as (
    select
        exp_id,
        kpi_name,
        plan_key,
        part,
        row_number() over (partition by exp_id, kpi_name order by plan_key, part) as choice
    from {{ ref('experiments__plan_kpi') }}
    where population = 'assigned'
),

planned_kpi as (
    select metric.numerator_kpi as kpi_name
    from {{ ref('experiments__experiment_metric') }} as plan
    inner join {{ ref('experiments__metric') }} as metric on plan.metric_id = metric.metric_id
    where metric.numerator_kpi is not null

    union

    select metric.denominator_kpi as kpi_name
    from {{ ref('experiments__experiment_metric') }} as plan
    inner join {{ ref('experiments__metric') }} as metric on plan.metric_id = metric.metric_id
    where metric.denominator_kpi is not null
)

select
    profile.exp_id,
    profile.kpi_name,
    profile.n_rows,
    case
        when reader.plan_key is null then null
        when reader.part = 0 then coalesce(counted.numerator_rows, 0)
        else coalesce(counted.denominator_rows, 0)
    end as n_accounted,
    coalesce(counted.n_repeated, 0) as n_repeated,
    reader.plan_key is not null as is_read,
    -- Totals of a kpi that events feed too cannot tell the two apart: such a kpi is always searched.
    profile.kpi_name in (
        select kpi_name from {{ ref('experiments__kpi_profile') }} where input = 'kpi_event' and kpi_name is not null
    ) as has_events,
    profile.kpi_name in (select kpi_name from planned_kpi) as is_planned_anywhere,
    experiment.exp_id is not null as is_known_experiment
from {{ ref('experiments__kpi_profile') }} as profile
left join {{ ref('experiments__experiment') }} as experiment on profile.exp_id = experiment.exp_id
left join reader on profile.exp_id = reader.exp_id and profile.kpi_name = reader.kpi_name and reader.choice = 1
left join counted on reader.plan_key = counted.plan_key
where profile.input = 'kpi_outcome'
