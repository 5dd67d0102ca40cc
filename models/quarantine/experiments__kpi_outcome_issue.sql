-- Outcome rows that cannot be used, and why. Row by row only where the ledger does not balance; a whole experiment that
-- nobody knows, or a kpi that no experiment's plan reads, is one row with its count.

with wholesale as (
    select
        exp_id,
        kpi_name,
        case when is_known_experiment then 'unknown_kpi' else 'unknown_experiment' end as reason,
        n_rows
    from {{ ref('experiments__kpi_outcome_ledger') }}
    where
        exp_id is not null
        and kpi_name is not null
        and (not is_known_experiment or not is_planned_anywhere)
),

searched as (
    select
        exp_id,
        kpi_name
    from {{ ref('experiments__kpi_outcome_ledger') }}
    where
        exp_id is null
        or kpi_name is null
        or (is_read and (n_rows <> n_accounted or n_repeated > 0 or has_events))
),

fact as (
    select
        fact.exp_id,
        fact.unit_id,
        fact.metric_date,
        fact.kpi_name,
        fact.kpi_value,
        unit.unit_key,
        clock.run_date,
        row_number() over (
            partition by fact.exp_id, fact.unit_id, fact.kpi_name, fact.metric_date
            order by case when {{ dbt_experiments.is_finite('fact.kpi_value') }} then 0 else 1 end, fact.loaded_at, fact.kpi_value
        ) as occurrence
    from {{ ref('experiments__input_kpi_outcome') }} as fact
    inner join searched
        on fact.exp_id is not distinct from searched.exp_id and fact.kpi_name is not distinct from searched.kpi_name
    cross join {{ ref('experiments__analysis_date') }} as clock
    left join (
        select
            exp_id,
            unit_id,
            unit_key
        from {{ ref('experiments__assignment') }}
        where exp_id in (select exp_id from searched)
    ) as unit on fact.exp_id = unit.exp_id and fact.unit_id = unit.unit_id
    where
        fact.metric_date is null
        or fact.metric_date < clock.as_of
        or (fact.metric_date > clock.run_date and {{ 'true' if var('as_of') is none else 'false' }})
),

set_aside as (
    select
        exp_id,
        unit_id,
        min(reason) as reason
    from {{ ref('experiments__assignment_issue') }}
    where reason <> 'duplicate_assignment'
    group by exp_id, unit_id
),

judged as (
    select
        fact.*,
        case
            when
                fact.exp_id is null or fact.unit_id is null
                or fact.metric_date is null or fact.kpi_name is null then 'null_key'
            when fact.metric_date > fact.run_date then 'future_outcome'
            when not coalesce({{ dbt_experiments.is_finite('fact.kpi_value') }}, false) then 'non_finite_value'
            when fact.unit_key is null then coalesce(set_aside.reason, 'unassigned_unit')
            when fact.occurrence > 1 then 'duplicate_outcome'
        end as reason
    from fact
    left join set_aside on fact.exp_id = set_aside.exp_id and fact.unit_id = set_aside.unit_id
)

select
    'kpi_outcome' as input,
    exp_id,
    unit_id,
    {{ dbt_experiments.row_key({
        'exp_id': 'exp_id', 'unit_id': 'unit_id', 'metric_date': 'metric_date', 'kpi_name': 'kpi_name'}) }} as key,
    reason,
    1 as n_rows
from judged
where reason is not null

union all

select
    'kpi_outcome' as input,
    exp_id,
    null as unit_id,
    {{ dbt_experiments.row_key({'exp_id': 'exp_id', 'kpi_name': 'kpi_name'}) }} as key,
    reason,
    n_rows
from wholesale
