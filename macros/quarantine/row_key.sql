{% macro row_key(columns) %}
  {#- The key of an input row as readable text, `name=value` per column; nulls show as null. `columns`: {name: expression}. -#}
  {%- set parts = [] -%}
  {%- for name, expression in columns.items() -%}
    {%- do parts.append(
        "'" ~ name ~ "=' || coalesce(cast(" ~ expression ~ " as " ~ dbt.type_string() ~ "), 'null')") -%}
  {%- endfor -%}
  {{ return(parts | join(" || ', ' || ")) }}
{% endmacro %}
