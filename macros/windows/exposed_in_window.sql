{% macro exposed_in_window(exposure, plan='plan') %}
  {#-
    Whether a first exposure came before the unit's window closed, so that the outcome can show it; a later one is none.
    Fixed once the window has closed, like the outcome itself.
  -#}
case
        when {{ plan }}.is_open_window then true
        when {{ plan }}.reads_events then {{ exposure }}.full_days_to_exposure < {{ plan }}.window_end_day
        else {{ exposure }}.days_to_exposure < {{ plan }}.window_end_day
    end
{%- endmacro %}
