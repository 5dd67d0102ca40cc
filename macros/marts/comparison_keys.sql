{% macro comparison_keys(finer=none) %}
  {{ return(dbt_experiments.python_words().comparison_key + ([finer] if finer else [])) }}
{% endmacro %}
