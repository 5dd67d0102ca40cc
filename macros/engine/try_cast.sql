{% macro try_cast(expression, type) %}
  {#- A cast that gives null where the value cannot be read as the type. -#}
  {{ return(adapter.dispatch('try_cast', 'dbt_experiments')(expression, type)) }}
{% endmacro %}

{% macro default__try_cast(expression, type) %}
  {{ return('try_cast(' ~ expression ~ ' as ' ~ type ~ ')') }}
{% endmacro %}
