{% macro has_variable(variable) %}
  {{ return({
      'numerator': 'true',
      'denominator': 'has_denominator',
      'covariate': 'has_covariate',
      'covariate_denominator': 'has_denominator and has_covariate',
  }[variable]) }}
{% endmacro %}
