{% macro moment_name(a, b) %}
  {#- The column that holds the variance of a variable or the covariance of two. -#}
  {{ return('var_' ~ a if a == b else 'cov_' ~ a ~ '_' ~ b) }}
{% endmacro %}
