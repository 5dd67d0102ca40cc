{% macro input_column(column, spec) %}
  {%- set type, default = spec[0], spec[2] -%}
  {%- set wanted = dbt_experiments.input_type(type) -%}
  {%- if column is none -%}
    {%- set default = spec[3] if spec | length > 3 else default -%}
    {{ return("cast(" ~ (default if default is not none else "null") ~ " as " ~ wanted ~ ")") }}
  {%- endif -%}
  {%- set quoted = adapter.quote(column.name) -%}
  {%- set actual = column.dtype | upper -%}
  {%- if type in ('timestamp', 'date') and 'ZONE' in actual -%}
    {%- set typed = dbt_experiments.utc_timestamp(quoted) -%}
    {%- if type == 'date' -%}{%- set typed = "cast(" ~ typed ~ " as date)" -%}{%- endif -%}
  {%- elif dbt_experiments.same_type(actual, wanted) -%}
    {%- set typed = quoted -%}
  {%- else -%}
    {%- set typed = dbt_experiments.try_cast(quoted, wanted) -%}
  {%- endif -%}
  {{ return(typed if default is none else "coalesce(" ~ typed ~ ", " ~ default ~ ")") }}
{% endmacro %}
