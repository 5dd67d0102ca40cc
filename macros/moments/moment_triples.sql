{% macro moment_triples() %}
  {{ return({
      'cubes_numerator': ['numerator', 'numerator', 'numerator'],
      'squares_numerator_covariate': ['numerator', 'numerator', 'covariate'],
      'squares_covariate_numerator': ['covariate', 'covariate', 'numerator'],
      'cubes_covariate': ['covariate', 'covariate', 'covariate'],
      'squares_numerator_denominator': ['numerator', 'numerator', 'denominator'],
      'squares_denominator_numerator': ['denominator', 'denominator', 'numerator'],
      'cubes_denominator': ['denominator', 'denominator', 'denominator'],
  }) }}
{% endmacro %}
