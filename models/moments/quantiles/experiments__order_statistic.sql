-- The sorted values around the quantile of each arm of a quantile metric: about 12 standard deviations of the quantile's rank,
-- all that its interval and its bootstrap need. One row per run of equal values, zeros included.

with arm as (
    select
        arm.plan_key,
        arm.variant_key,
        arm.quantile,
        arm.n,
        arm.silent,
        arm.n_silent,
        arm.n * arm.quantile as centre,
        -- The ranks of grouped values vary more, by their design effect.
        6 * sqrt(
            greatest(arm.n * arm.quantile * (1 - arm.quantile), coalesce(share.variance_below * power(arm.n, 2), 0)) + 1
        ) as half
    from {{ ref('experiments__quantile_arm') }} as arm
    left join {{ ref('experiments__share_below') }} as share
        on arm.plan_key = share.plan_key and arm.variant_key = share.variant_key
    where arm.n > 0
),

wanted as (
    select
        plan_key,
        variant_key,
        quantile,
        n,
        greatest(floor(centre - half), 1) as first_rank,
        least(ceil(centre + half) + 1, n) as last_rank,
        half / 6 as rank_sd,
        silent,
        n_silent
    from arm
),

run as (
    select selected.*
    from (
        {{ dbt_experiments.order_statistics('wanted', ref('experiments__quantile_value')) }}
    ) as selected
)

select
    run.plan_key,
    run.variant_key,
    variant.variant_id,
    wanted.quantile,
    wanted.n,
    run.rank,
    run.n_equal,
    run.value
from run
inner join wanted on run.plan_key = wanted.plan_key and run.variant_key = wanted.variant_key
inner join {{ ref('experiments__variant') }} as variant on run.variant_key = variant.variant_key
