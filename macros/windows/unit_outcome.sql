{% macro unit_outcome(total, plan='plan') -%}
case
        when {{ plan }}.threshold is not null then case when {{ total }} >= {{ plan }}.threshold then 1.0 else 0.0 end
        when {{ plan }}.aggregation = 'any' then case when {{ total }} > 0 then 1.0 else 0.0 end
        else {{ total }}
    end
{%- endmacro %}
