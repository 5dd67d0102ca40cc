{% macro check_config() %}
  {#- TODO -#}
{% endmacro %}
