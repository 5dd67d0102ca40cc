{% macro fact_rows(shape, only=none) %}
  {#-
    Without `only` nothing is de-duplicated here: at fact scale that costs more than everything else, so the unit pass finds
    repeats by their day mask and computes those few units again.
  -#}
{{ dbt_experiments.daily_rows(shape, only) }}
  {%- if dbt_experiments.input_relation('kpi_event') is not none %}

    union all

{{ dbt_experiments.event_rows(shape, only) }}
  {%- endif %}
{%- endmacro %}
