{% macro capped(value, cap='cap') -%}
case
        when {{ cap }}.cap_kind = 'percentile_nonzero' and {{ value }} = 0 then {{ value }}
        when {{ value }} > {{ cap }}.cap_upper then {{ cap }}.cap_upper
        when {{ value }} < {{ cap }}.cap_lower then {{ cap }}.cap_lower
        else {{ value }}
    end
{%- endmacro %}
