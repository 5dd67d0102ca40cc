{% macro moment_variables() %}
  {#- What a unit has for a metric; moments are the means of these and the (co)variances of their pairs. -#}
  {{ return(dbt_experiments.python_words().moment_variable) }}
{% endmacro %}
