-- The first exposure of each assigned unit, at or after its assignment, with how long after it: in calendar days, as windows
-- on daily facts count, and in days of 24 hours, as windows on events do.

with first_exposure as (
    select
        unit.unit_key,
        min(input.exposed_at) as exposed_at
    from {{ ref('experiments__input_exposure') }} as input
    inner join {{ ref('experiments__assignment') }} as unit on input.exp_id = unit.exp_id and input.unit_id = unit.unit_id
    cross join {{ ref('experiments__analysis_date') }} as clock
    where
        input.exposed_at >= unit.assigned_at
        and input.exposed_at < clock.as_of
    group by unit.unit_key
)

select
    unit.exp_id,
    unit.unit_id,
    unit.variant_id,
    first_exposure.exposed_at,
    unit.unit_key,
    unit.exp_key,
    unit.variant_key,
    unit.assigned_at,
    unit.assigned_on,
    cast(first_exposure.exposed_at as date) as exposed_on,
    cast(
        {{ dbt_experiments.day_offset('unit.assigned_on', 'cast(first_exposure.exposed_at as date)') }} as {{ dbt.type_bigint() }}
    ) as days_to_exposure,
    {{ dbt_experiments.event_day('unit.assigned_at', 'first_exposure.exposed_at') }} as full_days_to_exposure,
    unit.cluster_id,
    unit.stratum
from first_exposure
inner join {{ ref('experiments__assignment') }} as unit on first_exposure.unit_key = unit.unit_key
