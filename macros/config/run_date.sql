{% macro run_date() %}
  {#- The day of the run (UTC), the same in every model of one run. -#}
  {{ return("cast('" ~ run_started_at.strftime('%Y-%m-%d') ~ "' as date)") }}
{% endmacro %}
