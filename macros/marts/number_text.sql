{% macro number_text(expression) -%}
case
        when {{ expression }} is null then 'unknown'
        when {{ expression }} in ('infinity', '-infinity') then 'unbounded'
        when abs({{ expression }}) >= 1000 then {{ dbt_experiments.decimal_text(expression, 0) }}
        when abs({{ expression }}) >= 10 then {{ dbt_experiments.decimal_text(expression, 2) }}
        when abs({{ expression }}) >= 0.01 or {{ expression }} = 0 then {{ dbt_experiments.decimal_text(expression, 4) }}
        else {{ dbt_experiments.decimal_text(expression, 6) }}
    end
{%- endmacro %}
