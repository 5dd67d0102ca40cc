-- Rows of the optional fact tables that cannot be used, and why.

with event as (
    select
        input.*,
        clock.run_date,
        {{ dbt_experiments.occurrence('kpi_event', 'input') }} as occurrence
    from {{ ref('experiments__input_kpi_event') }} as input
    cross join {{ ref('experiments__analysis_date') }} as clock
    where
        input.event_at is null
        or input.event_at < clock.as_of
        or (cast(input.event_at as date) > clock.run_date and {{ 'true' if var('as_of') is none else 'false' }})
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
    from {{ ref('experiments__input_exposure') }} as input
    cross join {{ ref('experiments__analysis_date') }} as clock
    left join {{ ref('experiments__assignment') }} as unit on input.exp_id = unit.exp_id and input.unit_id = unit.unit_id
    where input.exposed_at is null or input.exposed_at < clock.as_of
),

attribute_issue as (
    select
        'unit_attribute' as input,
        exp_id,
        unit_id,
        {{ dbt_experiments.row_key({'unit_id': 'unit_id', 'attribute': 'attribute'}) }} as key,
        case when unit_id is null or attribute is null then 'null_key' end as reason
    from {{ ref('experiments__input_unit_attribute') }}
),

traffic_issue as (
    select
        'traffic_change' as input,
        input.exp_id,
        cast(null as {{ dbt.type_string() }}) as unit_id,
        {{ dbt_experiments.row_key({'exp_id': 'input.exp_id', 'variant_id': 'input.variant_id',
            'effective_at': 'input.effective_at'}) }} as key,
        case
            when input.exp_id is null or input.variant_id is null or input.effective_at is null then 'null_key'
            when experiment.exp_id is null then 'unknown_experiment'
            when variant.variant_id is null then 'unknown_variant'
            when not coalesce(input.traffic_pct >= 0, false) then 'bad_traffic'
        end as reason
    from {{ ref('experiments__input_traffic_change') }} as input
    left join {{ ref('experiments__experiment') }} as experiment on input.exp_id = experiment.exp_id
    left join {{ ref('experiments__variant') }} as variant
        on input.exp_id = variant.exp_id and input.variant_id = variant.variant_id
),

eligible_issue as (
    select
        'eligible_unit' as input,
        input.exp_id,
        input.unit_id,
        {{ dbt_experiments.row_key({'exp_id': 'input.exp_id', 'unit_id': 'input.unit_id'}) }} as key,
        case
            when input.exp_id is null or input.unit_id is null or input.eligible_at is null then 'null_key'
            when experiment.exp_id is null then 'unknown_experiment'
        end as reason
    from {{ ref('experiments__input_eligible_unit') }} as input
    left join {{ ref('experiments__experiment') }} as experiment on input.exp_id = experiment.exp_id
),

excluded_issue as (
    select
        'excluded_unit' as input,
        input.exp_id,
        input.unit_id,
        {{ dbt_experiments.row_key({'exp_id': 'input.exp_id', 'unit_id': 'input.unit_id'}) }} as key,
        case
            when input.unit_id is null then 'null_key'
            when input.exp_id is not null and experiment.exp_id is null then 'unknown_experiment'
        end as reason
    from {{ ref('experiments__input_excluded_unit') }} as input
    left join {{ ref('experiments__experiment') }} as experiment on input.exp_id = experiment.exp_id
)

select * from event_issue where reason is not null
union all
select * from exposure_issue where reason is not null
union all
select * from attribute_issue where reason is not null
union all
select * from traffic_issue where reason is not null
union all
select * from eligible_issue where reason is not null
union all
select * from excluded_issue where reason is not null
