{% macro mature_on(anchored_at, plan, as_of) %}
  {%- set anchored_on -%} cast({{ anchored_at }} as date) {%- endset -%}
  {{ return(
      "case when " ~ plan ~ ".is_open_window then " ~ as_of
      ~ " when " ~ plan ~ ".reads_events and " ~ anchored_at ~ " > " ~ anchored_on
      ~ " then " ~ dbt_experiments.add_days(anchored_on, plan ~ ".window_end_day + 1")
      ~ " else " ~ dbt_experiments.add_days(anchored_on, plan ~ ".window_end_day") ~ " end"
  ) }}
{% endmacro %}
