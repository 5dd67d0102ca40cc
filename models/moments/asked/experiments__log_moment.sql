{{ config(materialized='view') }}
-- Count, mean and variance of the logarithms of the mature units' values, per planned metric and variant. A value that is not
-- positive has no logarithm: where there is one, units without outcome included, so have the moments none.

with logged as (
    select
        plan_key,
        variant_key,
        n,
        case when value > 0 then ln(value) end as log_value
    from {{ ref('experiments__value_count') }}
    where estimator = 'geometric'
),

centred as (
    select
        *,
        sum(n * log_value) over (partition by plan_key, variant_key)
        / sum(n) over (partition by plan_key, variant_key) as centre
    from logged
),

summed as (
    select
        plan_key,
        variant_key,
        centre,
        sum(n) as n,
        sum(case when log_value is null then n else 0 end) as n_not_positive,
        sum(n * (log_value - centre)) as left_over,
        sum(n * power(log_value - centre, 2)) as squares
    from centred
    group by plan_key, variant_key, centre
)

select
    summed.plan_key,
    variant.variant_id,
    cast(summed.n as {{ dbt.type_bigint() }}) as n,
    cast(summed.n_not_positive as {{ dbt.type_bigint() }}) as n_not_positive,
    case when summed.n_not_positive = 0 then summed.centre + summed.left_over / summed.n end as mean_log,
    case when summed.n_not_positive = 0 and summed.n > 1 then summed.squares / (summed.n - 1) end as var_log
from summed
inner join {{ ref('experiments__variant') }} as variant on summed.variant_key = variant.variant_key
