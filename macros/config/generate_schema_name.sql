{% macro generate_schema_name(custom_schema_name, node) -%}
  {#- `marts` and `internal` stand for two vars, which dbt_project.yml cannot read; other names are used as they are. -#}
  {%- set schemas = {
      'marts': var('marts_schema'),
      'internal': var('internal_schema'),
  } -%}
  {%- if custom_schema_name is none -%}
    {{ target.schema }}
  {%- else -%}
    {{ schemas.get(custom_schema_name | trim, custom_schema_name | trim) }}
  {%- endif -%}
{%- endmacro %}
