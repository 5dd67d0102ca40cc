{% macro same_comparison(a, b) %}
  {#- The join condition of two tables in the grain of the results: experiment, metric, treatment, population and segment. -#}
  {%- for key in dbt_experiments.python_words().comparison_key -%}
{{ a }}.{{ key }} = {{ b }}.{{ key }}
            {{ 'and ' if not loop.last }}
  {%- endfor -%}
{% endmacro %}
