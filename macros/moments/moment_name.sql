{% macro moment_name(a, b) %}
  {{ return('var_' ~ a if a == b else 'cov_' ~ a ~ '_' ~ b) }}
{% endmacro %}
