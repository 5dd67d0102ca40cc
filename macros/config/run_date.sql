{% macro run_date() %}
  {{ return("cast('" ~ run_started_at.strftime('%Y-%m-%d') ~ "' as date)") }}
{% endmacro %}
