{% macro is_finite(expression) %}
  {#-
    Whether a number can be computed with: not null, NaN or infinite, and small enough that its square times a billion
    rows stays finite (an overflow would stop every experiment, not one).
  -#}
  {{ return('abs(' ~ expression ~ ') < 1e100') }}
{% endmacro %}
