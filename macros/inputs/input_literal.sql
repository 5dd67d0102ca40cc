{% macro input_literal(row, name, spec) %}
  {%- set type, value = spec[0], row.get(name) -%}
  {%- set default = spec[3] if spec | length > 3 and name not in row else spec[2] -%}
  {%- if value is none -%}
    {%- set literal = default if default is not none else "null" -%}
  {%- elif type == 'boolean' -%}
    {%- set literal = 'true' if value else 'false' -%}
  {%- elif type in ('number', 'integer') -%}
    {%- set literal = value | string -%}
  {%- else -%}
    {%- set literal = dbt.string_literal(dbt.escape_single_quotes(value | string)) -%}
  {%- endif -%}
  {{ return("cast(" ~ literal ~ " as " ~ dbt_experiments.input_type(type) ~ ")") }}
{% endmacro %}
