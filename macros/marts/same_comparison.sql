{% macro same_comparison(a, b) %}
  {#- The join condition of two tables in the grain of the results: experiment, metric, treatment, population and segment. -#}
  {%- for key in ['exp_id', 'metric_id', 'variant_id', 'population', 'dimension', 'segment'] -%}
{{ a }}.{{ key }} = {{ b }}.{{ key }}
            {{ 'and ' if not loop.last }}
  {%- endfor -%}
{% endmacro %}
