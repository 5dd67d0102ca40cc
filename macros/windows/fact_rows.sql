{% macro fact_rows(shape, only=none) %}
  {#-
    Every fact that counts for a planned metric of one shape: the facts joined to the units and to the windows of the
    metrics that read their kpi. One row per fact and metric part, with the slot it counts in. `day_place` is null for
    facts that cannot repeat by day (events, and days outside every window).

    `only` names a CTE of (unit_key, plan_key): facts of these alone, each day once. Otherwise nothing is
    de-duplicated here: at fact scale that costs more than everything else, so the unit pass finds repeats by their day
    mask and computes those few units again.
  -#}
{{ dbt_experiments.daily_rows(shape, only) }}
  {%- if dbt_experiments.input_relation('kpi_event') is not none %}

    union all

{{ dbt_experiments.event_rows(shape, only) }}
  {%- endif %}
{%- endmacro %}
