{% macro input_relation(table) %}
  {%- if dbt_experiments.is_demo() -%}
    {%- set in_demo = table in ['experiment', 'variant', 'assignment', 'kpi_outcome', 'metric', 'experiment_metric'] -%}
    {{ return(ref('demo_' ~ table) if in_demo else none) }}
  {%- endif -%}
  {%- set relation = source('experiments', table) -%}
  {%- if not execute -%}{{ return(relation) }}{%- endif -%}
  {%- set address = dbt_experiments.input_address(table) -%}
  {%- set found = adapter.get_relation(address.database, address.schema, address.identifier) -%}
  {{ return(relation if found is not none else none) }}
{% endmacro %}
