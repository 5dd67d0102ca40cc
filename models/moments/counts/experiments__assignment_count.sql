-- depends_on: {{ ref('experiments__traffic_phase') }}
-- Units per variant, day of assignment and phase of the traffic allocation. Every n comes from here: facts are sparse, so
-- they cannot count units.
{%- set has_changes = dbt_experiments.input_relation('traffic_change') is not none %}

select
    unit.exp_id,
    unit.variant_id,
    unit.variant_key,
    unit.assigned_on,
    unit.assigned_at > cast(unit.assigned_on as {{ dbt.type_timestamp() }}) as is_after_midnight,
    {{ 'phase.phase' if has_changes else 'cast(0 as integer)' }} as phase,
    count(*) as n_units
from {{ ref('experiments__assignment') }} as unit
{%- if has_changes %}
{{ dbt_experiments.phase_in_force('unit') }}
{%- endif %}
group by
    unit.exp_id, unit.variant_id, unit.variant_key, unit.assigned_on, is_after_midnight
    {{- ', phase.phase' if has_changes }}
