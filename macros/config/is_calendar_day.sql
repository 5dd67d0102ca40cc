{% macro is_calendar_day(text) %}
  {%- set year = text[0:4] | int -%}
  {%- set is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) -%}
  {%- set month_days = [31, 29 if is_leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] -%}
  {{ return(text[8:10] | int <= month_days[text[5:7] | int - 1]) }}
{% endmacro %}
