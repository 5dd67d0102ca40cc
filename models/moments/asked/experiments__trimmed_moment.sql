{{ config(materialized='view') }}
-- Mean and variance of the values that are left when a proportion is cut off at each end of a variant, with the lowest and
-- the highest of them: what trimmed means and Yuen's test need. Units without outcome take part with their value.
{%- set double = dbt_experiments.type_double() %}

with ordered as (
    select
        plan_key,
        variant_key,
        value,
        n,
        sum(n) over (partition by plan_key, variant_key order by value rows unbounded preceding) as rank_high,
        sum(n) over (partition by plan_key, variant_key) as n_arm,
        cast({{ var('trim_proportion') }} as {{ double }}) as trim_proportion
    from {{ ref('experiments__value_count') }}
    where estimator = 'trimmed'
),

-- 0.29 * 100 is 28.999999999999996 in floating point; 29 values are meant.
cut as (
    select
        *,
        floor(trim_proportion * n_arm * (1 + 8.881784197001252e-16)) as n_cut
    from ordered
),

-- Of the units tied at the cut, as many are kept as it takes.
kept as (
    select
        plan_key,
        variant_key,
        trim_proportion,
        n_arm,
        value,
        least(rank_high, n_arm - n_cut) - greatest(rank_high - n, n_cut) as n
    from cut
    where rank_high > n_cut and rank_high - n < n_arm - n_cut
),

centred as (
    select
        *,
        sum(n * value) over (partition by plan_key, variant_key)
        / sum(n) over (partition by plan_key, variant_key) as centre
    from kept
)

select
    centred.plan_key,
    variant.variant_id,
    cast(centred.n_arm as {{ dbt.type_bigint() }}) as n,
    centred.trim_proportion,
    centred.centre + sum(centred.n * (centred.value - centred.centre)) / sum(centred.n) as mean_kept,
    case when sum(centred.n) > 1
        then sum(centred.n * power(centred.value - centred.centre, 2)) / (sum(centred.n) - 1)
    end as var_kept,
    min(centred.value) as lowest_kept,
    max(centred.value) as highest_kept
from centred
inner join {{ ref('experiments__variant') }} as variant on centred.variant_key = variant.variant_key
group by centred.plan_key, variant.variant_id, centred.n_arm, centred.trim_proportion, centred.centre
