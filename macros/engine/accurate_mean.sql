{% macro accurate_mean(expression) %}
  {#- Means of days are merged, so their rounding is variance. -#}
  {{ return(adapter.dispatch('accurate_mean', 'dbt_experiments')(expression)) }}
{% endmacro %}

{% macro default__accurate_mean(expression) %}
  {{ return('avg(' ~ expression ~ ')') }}
{% endmacro %}

{% macro duckdb__accurate_mean(expression) %}
  {{ return('favg(' ~ expression ~ ')') }}
{% endmacro %}
