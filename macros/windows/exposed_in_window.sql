{% macro exposed_in_window(exposure, plan='plan') -%}
case
        when {{ plan }}.is_open_window then true
        when {{ plan }}.reads_events then {{ exposure }}.full_days_to_exposure < {{ plan }}.window_end_day
        else {{ exposure }}.days_to_exposure < {{ plan }}.window_end_day
    end
{%- endmacro %}
