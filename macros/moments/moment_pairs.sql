{% macro moment_pairs() %}
  {%- set pairs = [] -%}
  {%- set variables = dbt_experiments.moment_variables() -%}
  {%- for a in variables -%}
    {%- for b in variables[loop.index0:] -%}
      {%- do pairs.append([a, b]) -%}
    {%- endfor -%}
  {%- endfor -%}
  {{ return(pairs) }}
{% endmacro %}
