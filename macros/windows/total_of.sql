{% macro total_of(shape, part, slot) %}
  {%- if part == 1 and shape == 'plain' -%}
cast(null as {{ dbt_experiments.type_double() }})
  {%- else -%}
    {%- set counts = 'slot = ' ~ slot ~ ('' if shape == 'plain' else ' and part = ' ~ part) -%}
    {%- if shape == 'extreme' -%}
      {%- set value = 'case when ' ~ counts ~ ' then fact_value end' -%}
coalesce(
        case any_value(aggregation)
            when 'max' then max({{ value }})
            when 'min' then min({{ value }})
            else max_by({{ value }}, case when {{ counts }} then moment end)
        end,
        0
    )
    {%- else -%}
sum(case when {{ counts }} then fact_value else 0 end)
    {%- endif -%}
  {%- endif -%}
{%- endmacro %}
