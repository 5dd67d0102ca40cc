{% macro phase_in_force(unit) -%}
inner join {{ ref('experiments__traffic_phase') }} as phase
    on
        {{ unit }}.exp_id = phase.exp_id
        and {{ unit }}.variant_id = phase.variant_id
        and (phase.valid_from is null or {{ unit }}.assigned_at >= phase.valid_from)
        and (phase.valid_to is null or {{ unit }}.assigned_at < phase.valid_to)
{%- endmacro %}
