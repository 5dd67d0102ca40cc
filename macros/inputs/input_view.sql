{% macro input_view(table) %}
  {%- set spec = dbt_experiments.input_tables()[table] -%}
  {%- set relation = dbt_experiments.input_relation(table) -%}
  {%- set declared = dbt_experiments.declared_rows(table) -%}
  {%- if relation is none or not execute %}
    {#- check_config has refused to run without a required table; what is left here is optional. -#}
select
    {%- for name, column in spec.columns.items() %}
    cast(null as {{ dbt_experiments.input_type(column[0]) }}) as {{ name }}{{ ',' if not loop.last }}
    {%- endfor %}
where 1 = 0
  {%- else %}
    {%- set present = dbt_experiments.input_columns(table, relation) %}
select
    {%- for name, column in spec.columns.items() %}
    {{ dbt_experiments.input_column(present.get(name), column) }} as {{ name }}{{ ',' if not loop.last }}
    {%- endfor %}
from {{ relation }}
  {%- endif %}
  {%- for row in declared %}
union all
select
    {%- for name, column in spec.columns.items() %}
    {{ dbt_experiments.input_literal(row, name, column) }} as {{ name }}{{ ',' if not loop.last }}
    {%- endfor %}
  {%- endfor %}
{% endmacro %}
