{% macro same_comparison(a, b) %}
  {#- The join condition of two tables in the grain of the results: all of its keys, or rows would multiply. -#}
  {%- for key in dbt_experiments.comparison_keys() -%}
{{ a }}.{{ key }} = {{ b }}.{{ key }}
            {{ 'and ' if not loop.last }}
  {%- endfor -%}
{% endmacro %}
