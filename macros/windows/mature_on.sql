{% macro mature_on(anchored_at, plan, as_of) %}
  {#-
    The first day on which the unit's whole window has closed. Windows on daily facts close at midnight; a window on
    events closes at the anchor's time of day, so the whole day after it. An open window is read at `as_of`. The anchor is
    the assignment, or the first exposure in the exposed population.
  -#}
  {%- set anchored_on -%} cast({{ anchored_at }} as date) {%- endset -%}
  {{ return(
      "case when " ~ plan ~ ".is_open_window then " ~ as_of
      ~ " when " ~ plan ~ ".reads_events and " ~ anchored_at ~ " > " ~ anchored_on
      ~ " then " ~ dbt_experiments.add_days(anchored_on, plan ~ ".window_end_day + 1")
      ~ " else " ~ dbt_experiments.add_days(anchored_on, plan ~ ".window_end_day") ~ " end"
  ) }}
{% endmacro %}
