{% macro type_double() %}
  {{ return(adapter.dispatch('type_double', 'dbt_experiments')()) }}
{% endmacro %}

{% macro default__type_double() %}
  {{ return('double') }}
{% endmacro %}
