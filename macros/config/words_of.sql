{% macro words_of(list) %}
  {%- set lists = dbt_experiments.allowed_values() -%}
  {%- if list not in lists -%}
    {%- do exceptions.raise_compiler_error("allowed_values has no list '" ~ list ~ "' (lists: " ~ lists.keys() | join(', ') ~ ")") -%}
  {%- endif -%}
  {{ return("('" ~ lists[list] | join("', '") ~ "')") }}
{% endmacro %}
