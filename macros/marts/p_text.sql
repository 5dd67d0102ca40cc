{% macro p_text(expression) -%}
case
        when {{ expression }} is null then 'p unknown'
        when {{ expression }} < 0.0001 then 'p < 0.0001'
        else 'p = ' || {{ dbt_experiments.decimal_text(expression, 4) }}
    end
{%- endmacro %}
