{% macro is_demo() %}
  {{ return(var('demo', project_name == 'dbt_experiments')) }}
{% endmacro %}
