{% macro moment_variables() %}
  {#- What a unit has for a metric; moments are the means of these and the (co)variances of their pairs. -#}
  {{ return(['numerator', 'denominator', 'covariate', 'covariate_denominator']) }}
{% endmacro %}
