{% macro allocation_text(allocation, counted) -%}
case when {{ counted }}.counts_clusters then 'clusters' else 'units' end
            || ' by variant: ' || {{ counted }}.observed || '; planned shares: ' || {{ counted }}.planned
            || '; largest deviation from the expected count '
            || {{ dbt_experiments.decimal_text('100 * ' ~ allocation ~ '.deviation', 2) }} || ' %, '
            || {{ dbt_experiments.p_text(allocation ~ '.p_value') }}
{%- endmacro %}
