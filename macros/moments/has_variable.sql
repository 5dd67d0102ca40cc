{% macro has_variable(variable) %}
  {#- The condition under which a metric has a moment variable at all: null moments are not zero moments. -#}
  {{ return({
      'numerator': 'true',
      'denominator': 'has_denominator',
      'covariate': 'has_covariate',
      'covariate_denominator': 'has_denominator and has_covariate',
  }[variable]) }}
{% endmacro %}
