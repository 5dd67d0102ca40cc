{% macro occurrence(table, alias=none) %}
  {#- One rule for both, so that no row can be in both or in neither. -#}
  {%- set rules = {
      'experiment': [['exp_id'], ['start_time', 'name']],
      'variant': [['exp_id', 'variant_id'], ['traffic_pct', 'is_control']],
      'metric': [['metric_id'], ['numerator_kpi', 'window_start_day']],
      'experiment_metric': [['exp_id', 'metric_id'], ['role', 'mde']],
      'kpi_event': [['event_id'], ['loaded_at', 'event_at', 'kpi_value']],
  } -%}
  {%- set prefix = alias ~ '.' if alias else '' -%}
  {{ return(
      'row_number() over (partition by ' ~ prefix ~ rules[table][0] | join(', ' ~ prefix)
      ~ ' order by ' ~ prefix ~ rules[table][1] | join(', ' ~ prefix) ~ ')'
  ) }}
{% endmacro %}
