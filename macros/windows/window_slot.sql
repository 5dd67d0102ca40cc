{% macro window_slot(day, pre_day, plan='plan') %}
  {#-
    Where a fact of a day counts: 0 in the metric's window [start, end), 1 in the pre-period (the last covariate_days
    days before the day of assignment), null nowhere. `day` counts from the anchor of the unit's population, `pre_day`
    from its assignment.
  -#}
case
            when {{ day }} >= {{ plan }}.window_start_day and {{ day }} < {{ plan }}.window_end_day then 0
            when {{ pre_day }} < 0 and {{ pre_day }} >= -{{ plan }}.covariate_days then 1
        end
{%- endmacro %}
