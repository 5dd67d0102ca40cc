{% macro day_offset(from_date, to_date) %}
  {{ return(adapter.dispatch('day_offset', 'dbt_experiments')(from_date, to_date)) }}
{% endmacro %}

{% macro default__day_offset(from_date, to_date) %}
  {{ return(dbt.datediff(from_date, to_date, 'day')) }}
{% endmacro %}

{% macro duckdb__day_offset(from_date, to_date) %}
  {#- Subtraction of dates is several times faster than date_diff, and this runs on every row of the facts. -#}
  {{ return('(' ~ to_date ~ ' - ' ~ from_date ~ ')') }}
{% endmacro %}

{% macro spark__day_offset(from_date, to_date) %}
  {{ return('datediff(' ~ to_date ~ ', ' ~ from_date ~ ')') }}
{% endmacro %}
