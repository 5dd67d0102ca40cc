{% macro generate_schema_name(custom_schema_name, node) -%}
  {#- dbt_project.yml cannot read vars, so two words stand for them there. -#}
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
