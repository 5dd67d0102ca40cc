{% macro is_demo() %}
  {#- The demo programme is read when the project is run from its own folder and nobody says otherwise. -#}
  {{ return(var('demo', project_name == 'dbt_experiments')) }}
{% endmacro %}
