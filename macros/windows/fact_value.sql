{% macro fact_value(value, plan='plan') %}
  {#- What a fact adds to the total: its value, 1 (count), or 1 where it is not zero (count_days, any). -#}
case {{ plan }}.counts_as
            when 'value' then {{ value }}
            when 'row' then 1
            else case when {{ value }} <> 0 then 1 else 0 end
        end
{%- endmacro %}
