{% macro window_slot(day, plan='plan') %}
  {#-
    Where a fact of a day counts: 0 in the metric's window [start, end), 1 in the pre-period (the last covariate_days
    days before the day of assignment), null nowhere.
  -#}
case
            when {{ day }} >= {{ plan }}.window_start_day and {{ day }} < {{ plan }}.window_end_day then 0
            when {{ day }} < 0 and {{ day }} >= -{{ plan }}.covariate_days then 1
        end
{%- endmacro %}
