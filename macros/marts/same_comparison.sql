{% macro same_comparison(a, b) %}
  {%- for key in dbt_experiments.python_words().comparison_key -%}
{{ a }}.{{ key }} = {{ b }}.{{ key }}
            {{ 'and ' if not loop.last }}
  {%- endfor -%}
{% endmacro %}
