{% macro try_cast(expression, type) %}
  {{ return(adapter.dispatch('try_cast', 'dbt_experiments')(expression, type)) }}
{% endmacro %}

{% macro default__try_cast(expression, type) %}
  {{ return('try_cast(' ~ expression ~ ' as ' ~ type ~ ')') }}
{% endmacro %}
