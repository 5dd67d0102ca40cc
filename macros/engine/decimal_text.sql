{% macro decimal_text(expression, digits) %}
  {{ return(adapter.dispatch('decimal_text', 'dbt_experiments')(expression, digits)) }}
{% endmacro %}

{% macro default__decimal_text(expression, digits) %}
  {{ return("format_string('%." ~ digits ~ "f', cast(" ~ expression ~ " as double))") }}
{% endmacro %}

{% macro duckdb__decimal_text(expression, digits) %}
  {{ return("printf('%." ~ digits ~ "f', cast(" ~ expression ~ " as double))") }}
{% endmacro %}
