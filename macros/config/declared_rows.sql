{% macro declared_rows(table) %}
  {{ return(dbt_experiments.declared_experiments().rows.get(table, [])) }}
{% endmacro %}
