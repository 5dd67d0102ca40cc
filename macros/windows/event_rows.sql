{% macro event_rows(shape, only=none) %}
  {%- set day = dbt_experiments.event_day('unit.anchored_at', 'fact.event_at') -%}
  {%- set has_exposures = dbt_experiments.input_relation('exposure') is not none -%}
  {%- set pre_day = dbt_experiments.event_day('unit.assigned_at', 'fact.event_at') if has_exposures else day -%}
  {%- set sources %}
    from {{ ref('experiments__kpi_event') }} as fact
    inner join {{ ref('experiments__population_unit') }} as unit on fact.unit_id = unit.unit_id
    inner join {{ ref('experiments__plan_kpi') }} as plan
        on unit.population_key = plan.population_key and fact.kpi_name = plan.kpi_name
    {%- if only %}
    inner join {{ only }} as wanted
        on unit.unit_key = wanted.unit_key and plan.plan_key = wanted.plan_key
    {%- endif %}
    where
        plan.shape = '{{ shape }}'
        and fact.event_at < plan.outcome_until
  {%- endset %}
    select
        unit.unit_key,
        plan.plan_key,
        plan.part,
        plan.aggregation,
        {{ dbt_experiments.window_slot(day, pre_day) }} as slot,
        {{ dbt_experiments.fact_value('fact.kpi_value') }} as fact_value,
        {{ dbt_experiments.seconds_between('unit.anchored_at', 'fact.event_at') }} as moment,
        cast(null as {{ dbt.type_bigint() }}) as day_place
    {{- sources }}
        and (plan.counts_value or plan.counts_rows)
  {%- if shape not in ('extreme', 'single') %}

    union all

    select
        unit.unit_key,
        plan.plan_key,
        plan.part,
        plan.aggregation,
        {{ dbt_experiments.window_slot(day, pre_day) }} as slot,
        max({{ dbt_experiments.fact_value('fact.kpi_value') }}) as fact_value,
        0 as moment,
        cast(null as {{ dbt.type_bigint() }}) as day_place
    {{- sources }}
        and not (plan.counts_value or plan.counts_rows)
    group by
        unit.unit_key, plan.plan_key, plan.part, plan.aggregation,
        {{ day }}{{ ', ' ~ pre_day if has_exposures }}, plan.window_start_day, plan.window_end_day, plan.covariate_days
  {%- endif %}
{%- endmacro %}
