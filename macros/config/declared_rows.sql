{% macro declared_rows(table) %}
  {#- The rows that YAML adds to an input table. -#}
  {{ return(dbt_experiments.declared_experiments().rows.get(table, [])) }}
{% endmacro %}
