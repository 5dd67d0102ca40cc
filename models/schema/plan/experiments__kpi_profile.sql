-- One cheap scan of the facts: which kpis each experiment has, from when to when, and how many rows cannot be read.
-- The counts are the ledger against which the unit pass is balanced (see quarantine/kpi_outcome_ledger).
{%- set as_of = var('as_of') %}
{%- set knows_loading = dbt_experiments.input_has('kpi_outcome', 'loaded_at') %}

with outcome as (
    select
        'kpi_outcome' as input,
        exp_id,
        kpi_name,
        metric_date,
        {{ dbt_experiments.is_finite('kpi_value') }} as is_finite,
        {% if knows_loading -%}
        cast(loaded_at as date) > {{ dbt_experiments.add_days('metric_date', var('late_data_days')) }} as is_late
        {%- else -%}
        false as is_late
        {%- endif %}
    from {{ ref('experiments__input_kpi_outcome') }}
),

event as (
    select
        'kpi_event' as input,
        cast(null as {{ dbt.type_string() }}) as exp_id,
        kpi_name,
        cast(event_at as date) as metric_date,
        {{ dbt_experiments.is_finite('kpi_value') }} as is_finite,
        false as is_late
    from {{ ref('experiments__input_kpi_event') }}
),

facts as (
    select * from outcome
    union all
    select * from event
)

select
    input,
    exp_id,
    kpi_name,
    count(*) as n_rows,
    count(case when is_finite then metric_date end) as n_readable,
    {{ 'count(case when is_late then 1 end)' if knows_loading else 'cast(null as ' ~ dbt.type_bigint() ~ ')' }} as n_late,
    max(metric_date) as last_date,
    max(case when metric_date <= {{ dbt_experiments.run_date() }} then metric_date end) as last_past_date
from facts
{%- if as_of is not none %}
where metric_date is null or metric_date < {{ dbt_experiments.date_literal(as_of) }}
{%- endif %}
group by input, exp_id, kpi_name
