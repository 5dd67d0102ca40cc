{% macro event_day(assigned_at, event_at) %}
  {#- Whole days of 24 hours since assignment, exact to the microsecond; negative before it. -#}
  {{ return('cast(floor(' ~ dbt_experiments.seconds_between(assigned_at, event_at) ~ ' / 86400) as '
      ~ dbt.type_bigint() ~ ')') }}
{% endmacro %}
