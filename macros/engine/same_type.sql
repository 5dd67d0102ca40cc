{% macro same_type(actual, wanted) %}
  {{ return(adapter.dispatch('same_type', 'dbt_experiments')(actual | upper, wanted | upper)) }}
{% endmacro %}

{% macro default__same_type(actual, wanted) %}
  {{ return(actual == wanted) }}
{% endmacro %}

{% macro duckdb__same_type(actual, wanted) %}
  {%- set names = {'TEXT': 'VARCHAR', 'STRING': 'VARCHAR', 'FLOAT8': 'DOUBLE', 'INT8': 'BIGINT', 'BOOL': 'BOOLEAN'} -%}
  {{ return(names.get(actual, actual) == names.get(wanted, wanted)) }}
{% endmacro %}
