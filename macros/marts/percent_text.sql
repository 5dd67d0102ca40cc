{% macro percent_text(expression) -%}
case
        when {{ expression }} is null then 'unknown'
        when {{ expression }} in ('infinity', '-infinity') then 'unbounded'
        else case when {{ expression }} > 0 then '+' else '' end
            || {{ dbt_experiments.decimal_text('100 * (' ~ expression ~ ')', 2) }} || ' %'
    end
{%- endmacro %}
