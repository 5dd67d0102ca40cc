{% macro fact_value(value, plan='plan') -%}
case
            when {{ plan }}.counts_value then {{ value }}
            when {{ plan }}.counts_rows or {{ value }} <> 0 then 1
            else 0
        end
{%- endmacro %}
