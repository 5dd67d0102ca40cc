{% macro event_rows(shape, only=none) %}
  {#-
    The events of the units, with days of 24 hours counted from the second of assignment; see fact_rows. For count_days, the
    events of one day are one row.
  -#}
  {%- set day = dbt_experiments.event_day('unit.assigned_at', 'fact.event_at') -%}
  {%- set sources %}
    from {{ ref('kpi_event') }} as fact
    inner join {{ ref('assignment') }} as unit on fact.unit_id = unit.unit_id
    inner join {{ ref('plan_kpi') }} as plan
        on unit.exp_id = plan.exp_id and fact.kpi_name = plan.kpi_name
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
        {{ dbt_experiments.window_slot(day) }} as slot,
        {{ dbt_experiments.fact_value('fact.kpi_value') }} as fact_value,
        {{ dbt_experiments.seconds_between('unit.assigned_at', 'fact.event_at') }} as moment,
        cast(null as {{ dbt.type_bigint() }}) as day_place
    {{- sources }}
        and (plan.counts_value or plan.counts_rows)
  {%- if shape != 'extreme' %}

    union all

    select
        unit.unit_key,
        plan.plan_key,
        plan.part,
        plan.aggregation,
        {{ dbt_experiments.window_slot(day) }} as slot,
        max({{ dbt_experiments.fact_value('fact.kpi_value') }}) as fact_value,
        0 as moment,
        cast(null as {{ dbt.type_bigint() }}) as day_place
    {{- sources }}
        and not (plan.counts_value or plan.counts_rows)
    group by
        unit.unit_key, plan.plan_key, plan.part, plan.aggregation,
        {{ day }}, plan.window_start_day, plan.window_end_day, plan.covariate_days
  {%- endif %}
{%- endmacro %}
