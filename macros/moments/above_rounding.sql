{% macro above_rounding(value, scale) %}
  {#- Thirteen digits lost of sixteen, over the many days that a running sum adds up. -#}
case when abs({{ value }}) <= 1e-13 * abs({{ scale }}) then 0 else {{ value }} end
{%- endmacro %}
