{% macro add_days(date, days) %}
  {{ return(adapter.dispatch('add_days', 'dbt_experiments')(date, days)) }}
{% endmacro %}

{% macro default__add_days(date, days) %}
  {{ return('cast(' ~ dbt.dateadd('day', days, date) ~ ' as date)') }}
{% endmacro %}

{% macro duckdb__add_days(date, days) %}
  {{ return('(' ~ date ~ ' + cast(' ~ days ~ ' as integer))') }}
{% endmacro %}

{% macro spark__add_days(date, days) %}
  {{ return('date_add(' ~ date ~ ', cast(' ~ days ~ ' as int))') }}
{% endmacro %}
