-- Rows of the optional fact tables that cannot be used, and why.

with event as (
    select
        input.*,
        clock.run_date,
        row_number() over (
            partition by input.event_id order by input.loaded_at, input.event_at, input.kpi_value
        ) as occurrence
    from {{ ref('input_kpi_event') }} as input
    cross join {{ ref('analysis_date') }} as clock
    where
        input.event_at is null
        or input.event_at < clock.as_of
        or (cast(input.event_at as date) > clock.run_date and {{ 'true' if var('as_of', none) is none else 'false' }})
),

event_issue as (
    select
        'kpi_event' as input,
        cast(null as {{ dbt.type_string() }}) as exp_id,
        unit_id,
        {{ dbt_experiments.row_key({'unit_id': 'unit_id', 'event_at': 'event_at', 'kpi_name': 'kpi_name'}) }} as key,
        case
            when unit_id is null or event_at is null or kpi_name is null then 'null_key'
            when cast(event_at as date) > run_date then 'future_outcome'
            when not coalesce({{ dbt_experiments.is_finite('kpi_value') }}, false) then 'non_finite_value'
            when event_id is not null and occurrence > 1 then 'duplicate_outcome'
        end as reason
    from event
),

exposure_issue as (
    select
        'exposure' as input,
        input.exp_id,
        input.unit_id,
        {{ dbt_experiments.row_key({'exp_id': 'input.exp_id', 'unit_id': 'input.unit_id'}) }} as key,
        case
            when input.exp_id is null or input.unit_id is null or input.exposed_at is null then 'null_key'
            when unit.unit_key is null then 'unassigned_unit'
            when input.exposed_at < unit.assigned_at then 'exposed_before_assignment'
        end as reason
    from {{ ref('input_exposure') }} as input
    cross join {{ ref('analysis_date') }} as clock
    left join {{ ref('assignment') }} as unit on input.exp_id = unit.exp_id and input.unit_id = unit.unit_id
    where input.exposed_at is null or input.exposed_at < clock.as_of
),

attribute_issue as (
    select
        'unit_attribute' as input,
        exp_id,
        unit_id,
        {{ dbt_experiments.row_key({'unit_id': 'unit_id', 'attribute': 'attribute'}) }} as key,
        case when unit_id is null or attribute is null then 'null_key' end as reason
    from {{ ref('input_unit_attribute') }}
)

select * from event_issue where reason is not null
union all
select * from exposure_issue where reason is not null
union all
select * from attribute_issue where reason is not null
