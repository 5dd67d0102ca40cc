{% macro event_day(assigned_at, event_at) %}
  {{ return('cast(floor(' ~ dbt_experiments.seconds_between(assigned_at, event_at) ~ ' / 86400) as '
      ~ dbt.type_bigint() ~ ')') }}
{% endmacro %}
