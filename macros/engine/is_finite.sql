{% macro is_finite(expression) %}
  {{ return('abs(' ~ expression ~ ') < 1e100') }}
{% endmacro %}
