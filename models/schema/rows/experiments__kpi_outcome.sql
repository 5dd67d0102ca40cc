{{ config(materialized='view') }}
-- The outcomes as the analysis sees them: readable rows of assigned units up to `as_of`, one per unit, day and kpi. A view for
-- people: the unit pass reads the input itself, and finds repeats at a fraction of this view's cost.

with fact as (
    select
        unit.unit_key,
        fact.exp_id,
        fact.unit_id,
        fact.metric_date,
        fact.kpi_name,
        fact.kpi_value,
        row_number() over (
            partition by fact.exp_id, fact.unit_id, fact.metric_date, fact.kpi_name
            order by fact.loaded_at, fact.kpi_value
        ) as occurrence
    from {{ ref('experiments__input_kpi_outcome') }} as fact
    inner join {{ ref('experiments__assignment') }} as unit on fact.exp_id = unit.exp_id and fact.unit_id = unit.unit_id
    cross join {{ ref('experiments__analysis_date') }} as clock
    where
        fact.metric_date < clock.as_of
        and fact.kpi_name is not null
        and {{ dbt_experiments.is_finite('fact.kpi_value') }}
)

select
    exp_id,
    unit_id,
    metric_date,
    kpi_name,
    kpi_value
from fact
where occurrence = 1
