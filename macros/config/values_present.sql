{% macro values_present(table, relation, column, candidates) %}
  {%- set present = dbt_experiments.input_columns(table, relation) -%}
  {%- set expression = dbt_experiments.input_column(present[column], dbt_experiments.input_tables()[table].columns[column]) -%}
  {%- set literals = [] -%}
  {%- for value in candidates -%}
    {%- do literals.append(dbt.string_literal(dbt.escape_single_quotes(value))) -%}
  {%- endfor -%}
  {%- set query -%}
    select distinct {{ expression }} from {{ relation }} where {{ expression }} in ({{ literals | join(', ') }})
  {%- endset -%}
  {{ return(run_query(query).columns[0].values() | list) }}
{% endmacro %}
