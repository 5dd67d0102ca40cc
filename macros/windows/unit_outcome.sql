{% macro unit_outcome(total, plan='plan') %}
  {#- A unit's total as the metric's value: 0 or 1 for `any` and for a threshold, the total itself otherwise. -#}
case
        when {{ plan }}.threshold is not null then case when {{ total }} >= {{ plan }}.threshold then 1.0 else 0.0 end
        when {{ plan }}.aggregation = 'any' then case when {{ total }} > 0 then 1.0 else 0.0 end
        else {{ total }}
    end
{%- endmacro %}
