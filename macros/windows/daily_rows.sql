{% macro daily_rows(shape, only=none) %}
  {#-
    The daily facts (kpi_outcome) of the units; see fact_rows.

    The plan is joined last and as an outer join on purpose: an optimizer that joins the plan to the units first builds a
    hash table of units times metrics. The two `in` conditions let a shape that no metric has end before it reads a fact.
  -#}
  {%- set day = dbt_experiments.day_offset('unit.assigned_on', 'fact.metric_date') -%}
  {%- set slot = dbt_experiments.window_slot(day) %}
    select
        unit.unit_key,
        plan.plan_key,
        plan.part,
        plan.aggregation,
        {{ slot }} as slot,
        {{ dbt_experiments.fact_value('fact.kpi_value') }} as fact_value,
        {{ day }} as moment,
        case when {{ slot }} is not null then {{ day ~ (' * 2 + plan.part' if shape != 'plain' else '') }} end as day_place
    from {{ ref('input_kpi_outcome') }} as fact
    inner join {{ ref('assignment') }} as unit
        on fact.exp_id = unit.exp_id and fact.unit_id = unit.unit_id
    left join {{ ref('plan_kpi') }} as plan
        on fact.exp_id = plan.exp_id and fact.kpi_name = plan.kpi_name
    {%- if only %}
    inner join {{ only }} as wanted
        on unit.unit_key = wanted.unit_key and plan.plan_key = wanted.plan_key
    {%- endif %}
    where
        unit.exp_id in (select exp_id from {{ ref('plan_kpi') }} where shape = '{{ shape }}')
        and fact.kpi_name in (select kpi_name from {{ ref('plan_kpi') }} where shape = '{{ shape }}')
        and coalesce(plan.shape, '') = '{{ shape }}'
        and fact.metric_date < plan.outcome_until
        and {{ dbt_experiments.is_finite('fact.kpi_value') }}
    {%- if only %}
    qualify row_number() over (
        partition by unit.unit_key, plan.plan_key, plan.part, fact.metric_date
        order by fact.loaded_at, fact.kpi_value
    ) = 1
    {%- endif %}
{%- endmacro %}
