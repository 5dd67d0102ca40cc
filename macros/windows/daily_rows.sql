{% macro daily_rows(shape, only=none) %}
  {#-
    The plan is joined last, by integers and as an outer join, on purpose: an optimizer that joins the plan to the units first
    builds a hash table of units times metrics. The inner join of the kpis lets a shape that no metric has end
    before it reads a fact, the `in` condition before it hashes the units (measured: without the former, an empty shape costs
    a whole pass; with the latter outside of the subquery, a thirtieth of one).
  -#}
  {%- set day = dbt_experiments.day_offset('unit.anchored_on', 'fact.metric_date') %}
  {%- set has_exposures = dbt_experiments.input_relation('exposure') is not none %}
  {%- set pre_day = dbt_experiments.day_offset('unit.assigned_on', 'fact.metric_date') if has_exposures else day %}
  {%- set place = 'case slot when 0 then day else pre_day end' if has_exposures else 'day' %}
    select
        unit_key,
        plan_key,
        part,
        aggregation,
        slot,
        fact_value,
        day as moment,
        case when slot is not null then {{ place if shape == 'plain' else place ~ ' * 2 + part' }} end as day_place
    from (
        select
            unit.unit_key,
            plan.plan_key,
            plan.part,
            plan.aggregation,
            {{ day }} as day,
            {%- if has_exposures %}
            {{ pre_day }} as pre_day,
            {%- endif %}
            {{ dbt_experiments.window_slot(day, pre_day) }} as slot,
            {{ dbt_experiments.fact_value('fact.kpi_value') }} as fact_value
            {%- if only %},
            row_number() over (
                partition by unit.unit_key, plan.plan_key, plan.part, fact.metric_date
                order by fact.loaded_at, fact.kpi_value
            ) as occurrence
            {%- endif %}
        from {{ ref('experiments__input_kpi_outcome') }} as fact
        inner join (
            select distinct kpi_name, kpi_key from {{ ref('experiments__plan_kpi') }} where shape = '{{ shape }}'
        ) as kpi on fact.kpi_name = kpi.kpi_name
        inner join {% if only -%}
            (select * from {{ ref('experiments__population_unit') }} where unit_key in (select unit_key from {{ only }}))
            {%- else -%}
            (
                select * from {{ ref('experiments__population_unit') }}
                where exp_id in (select exp_id from {{ ref('experiments__plan_kpi') }} where shape = '{{ shape }}')
            )
            {%- endif %} as unit
            on fact.exp_id = unit.exp_id and fact.unit_id = unit.unit_id
        left join {{ ref('experiments__plan_kpi') }} as plan
            on unit.population_key = plan.population_key and kpi.kpi_key = plan.kpi_key and plan.shape = '{{ shape }}'
        {%- if only %}
        inner join {{ only }} as wanted
            on unit.unit_key = wanted.unit_key and plan.plan_key = wanted.plan_key
        {%- endif %}
        where
            fact.metric_date < coalesce(plan.outcome_until, cast('0001-01-01' as date))
            and {{ dbt_experiments.is_finite('fact.kpi_value') }}
    ) as daily
    {%- if only %}
    where occurrence = 1
    {%- endif %}
{%- endmacro %}
