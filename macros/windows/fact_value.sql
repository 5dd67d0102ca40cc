{% macro fact_value(value, plan='plan') %}
  {#- What a fact adds to the total: its value, 1 (count), or 1 where it is not zero (count_days, any). -#}
case
            when {{ plan }}.counts_value then {{ value }}
            when {{ plan }}.counts_rows or {{ value }} <> 0 then 1
            else 0
        end
{%- endmacro %}
