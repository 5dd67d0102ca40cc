{% macro decimal_text(expression, digits) %}
  {#- Rounded to nine decimals more first: at a tie the order in which an engine adds would decide the last digit. -#}
  {{ return(adapter.dispatch('decimal_text', 'dbt_experiments')(expression, digits)) }}
{% endmacro %}

{% macro default__decimal_text(expression, digits) %}
  {{ return("format_string('%." ~ digits ~ "f', round(cast(" ~ expression ~ " as double), " ~ (digits + 9) ~ "))") }}
{% endmacro %}

{% macro duckdb__decimal_text(expression, digits) %}
  {{ return("printf('%." ~ digits ~ "f', round(cast(" ~ expression ~ " as double), " ~ (digits + 9) ~ "))") }}
{% endmacro %}
