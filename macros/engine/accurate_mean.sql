{% macro accurate_mean(expression) %}
  {#- The mean with a compensated sum where the engine has one: means of days are merged, so their rounding is variance. -#}
  {{ return(adapter.dispatch('accurate_mean', 'dbt_experiments')(expression)) }}
{% endmacro %}

{% macro default__accurate_mean(expression) %}
  {{ return('avg(' ~ expression ~ ')') }}
{% endmacro %}

{% macro duckdb__accurate_mean(expression) %}
  {{ return('favg(' ~ expression ~ ')') }}
{% endmacro %}
