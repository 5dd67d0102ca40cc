{% macro row_key(columns) %}
  {%- set parts = [] -%}
  {%- for name, expression in columns.items() -%}
    {%- do parts.append(
        "'" ~ name ~ "=' || coalesce(cast(" ~ expression ~ " as " ~ dbt.type_string() ~ "), 'null')") -%}
  {%- endfor -%}
  {{ return(parts | join(" || ', ' || ")) }}
{% endmacro %}
