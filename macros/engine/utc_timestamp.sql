{% macro utc_timestamp(expression) %}
  {{ return(adapter.dispatch('utc_timestamp', 'dbt_experiments')(expression)) }}
{% endmacro %}

{% macro default__utc_timestamp(expression) %}
  {{ return("(" ~ expression ~ " at time zone 'UTC')") }}
{% endmacro %}

{% macro spark__utc_timestamp(expression) %}
  {{ return("cast(to_utc_timestamp(" ~ expression ~ ", current_timezone()) as timestamp)") }}
{% endmacro %}
