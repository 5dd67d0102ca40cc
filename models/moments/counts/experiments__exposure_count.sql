-- depends_on: {{ ref('experiments__traffic_phase') }}
-- Exposed units per variant, day of assignment and of first exposure, and phase of the traffic allocation in force at the
-- assignment. Every n of the exposed population comes from here.
{%- set has_changes = dbt_experiments.input_relation('traffic_change') is not none %}

select
    unit.exp_id,
    unit.variant_id,
    unit.variant_key,
    unit.assigned_on,
    unit.assigned_at > cast(unit.assigned_on as {{ dbt.type_timestamp() }}) as is_assigned_after_midnight,
    unit.exposed_on,
    unit.exposed_at > cast(unit.exposed_on as {{ dbt.type_timestamp() }}) as is_exposed_after_midnight,
    unit.days_to_exposure,
    unit.full_days_to_exposure,
    {{ 'phase.phase' if has_changes else 'cast(0 as integer)' }} as phase,
    count(*) as n_units
from {{ ref('experiments__exposure') }} as unit
{%- if has_changes %}
{{ dbt_experiments.phase_in_force('unit') }}
{%- endif %}
group by
    unit.exp_id, unit.variant_id, unit.variant_key, unit.assigned_on, is_assigned_after_midnight,
    unit.exposed_on, is_exposed_after_midnight, unit.days_to_exposure, unit.full_days_to_exposure
    {{- ', phase.phase' if has_changes }}
