-- Readable events up to `as_of`, each event_id once. Events without an id are all kept: equal rows may be two events.

with event as (
    select
        input.*,
        {{ dbt_experiments.occurrence('kpi_event', 'input') }} as occurrence
    from {{ ref('experiments__input_kpi_event') }} as input
    cross join {{ ref('experiments__analysis_date') }} as clock
    where
        input.unit_id is not null
        and input.kpi_name is not null
        and input.event_at < clock.as_of
        and {{ dbt_experiments.is_finite('input.kpi_value') }}
)

select
    unit_id,
    event_at,
    kpi_name,
    kpi_value,
    event_id
from event
where event_id is null or occurrence = 1
