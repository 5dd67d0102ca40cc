-- What quantiles are taken of: the values of mature units that have facts (the others are a block of equal values, counted by
-- quantile_arm), or single facts where the metric has no aggregation. A table, because four queries read it.

select
    unit.plan_key,
    unit.variant_key,
    unit.unit_key,
    unit.unit_key as value_key,
    unit.numerator as value
from {{ ref('experiments__unit_metric') }} as unit
inner join {{ ref('experiments__plan_metric') }} as plan on unit.plan_key = plan.plan_key
where plan.is_quantile and not plan.is_single and unit.mature_on <= plan.as_of

union all

select
    plan_key,
    variant_key,
    unit_key,
    fact_key as value_key,
    value
from {{ ref('experiments__single_fact') }}
