{% macro moment_variables() %}
  {{ return(dbt_experiments.python_words().moment_variable) }}
{% endmacro %}
