{% macro input_has(table, name) %}
  {#- Whether an optional column of an input exists, so that a model can leave out work that would come to nothing. -#}
  {%- set relation = dbt_experiments.input_relation(table) -%}
  {%- if not execute or relation is none -%}{{ return(false) }}{%- endif -%}
  {{ return(name in dbt_experiments.input_columns(table, relation)) }}
{% endmacro %}
