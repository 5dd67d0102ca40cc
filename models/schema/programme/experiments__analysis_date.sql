-- The moment the analysis is made for: rows on or after `as_of` do not exist yet.
{%- set as_of = var('as_of') %}

with newest as (
    select max(last_past_date) as metric_date
    from {{ ref('experiments__kpi_profile') }}
)

select
    {% if as_of is none -%}
    coalesce(
        {{ dbt_experiments.add_days('metric_date', 1) }},
        {{ dbt_experiments.run_date() }}
    ) as as_of,
    {%- else -%}
    {{ dbt_experiments.date_literal(as_of) }} as as_of,
    {%- endif %}
    {{ dbt_experiments.run_date() }} as run_date
from newest
