{% macro above_rounding(value, scale) %}
  {#-
    A difference of two numbers of the size `scale`, or 0 where it is what rounding leaves of equal ones: thirteen digits lost
    of sixteen, over the many days that a running sum adds up.
  -#}
case when abs({{ value }}) <= 1e-13 * abs({{ scale }}) then 0 else {{ value }} end
{%- endmacro %}
