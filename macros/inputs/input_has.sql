{% macro input_has(table, name) %}
  {%- set relation = dbt_experiments.input_relation(table) -%}
  {%- if not execute or relation is none -%}{{ return(false) }}{%- endif -%}
  {{ return(name in dbt_experiments.input_columns(table, relation)) }}
{% endmacro %}
