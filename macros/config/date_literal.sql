{% macro date_literal(value) %}
  {{ return("cast('" ~ (value | string)[:10] ~ "' as date)") }}
{% endmacro %}
