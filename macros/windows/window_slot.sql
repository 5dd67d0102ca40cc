{% macro window_slot(day, pre_day, plan='plan') -%}
case
            when {{ day }} >= {{ plan }}.window_start_day and {{ day }} < {{ plan }}.window_end_day then 0
            when {{ pre_day }} < 0 and {{ pre_day }} >= -{{ plan }}.covariate_days then 1
        end
{%- endmacro %}
