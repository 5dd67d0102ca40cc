{% macro order_statistics(wanted, value) %}
  {#-
    A sample of the values gives two bounds; counting what lies below them proves that they enclose the wanted ranks, or they
    are dropped and everything is sorted (measured on ten million values: four times faster than a sort of all).

    `wanted` has plan_key, variant_key, first_rank, last_rank, rank_sd (standard deviation of the quantile's rank), silent and
    n_silent: the block of equal values that are counted, not stored. `value` has plan_key, variant_key, value_key and value;
    cells that are not wanted are left out.
  -#}
  {%- set every = 64 -%}
with weighed as (
    select
        plan_key,
        variant_key,
        value,
        {{ every }} as weight
    from {{ value }}
    where value_key % {{ every }} = 0

    union all

    select
        plan_key,
        variant_key,
        silent as value,
        n_silent as weight
    from {{ wanted }}
    where n_silent > 0
),

sampled as (
    select
        plan_key,
        variant_key,
        value,
        sum(weight) over (partition by plan_key, variant_key order by value rows unbounded preceding) as rank
    from weighed
),

guessed as (
    select
        wanted.plan_key,
        wanted.variant_key,
        -- Eight standard deviations of the sample's rank: a miss costs a sort, never a wrong value.
        max(
            case when sampled.rank < wanted.first_rank - {{ every * 8 }} - {{ (every ** 0.5 * 8) | int }} * wanted.rank_sd
                then sampled.value end
        ) as low,
        min(
            case when sampled.rank > wanted.last_rank + {{ every * 8 }} + {{ (every ** 0.5 * 8) | int }} * wanted.rank_sd
                then sampled.value end
        ) as high
    from {{ wanted }} as wanted
    left join sampled on wanted.plan_key = sampled.plan_key and wanted.variant_key = sampled.variant_key
    group by wanted.plan_key, wanted.variant_key
),

counted as (
    select
        guessed.plan_key,
        guessed.variant_key,
        count(case when stored.value < guessed.low then 1 end) as n_below,
        count(case when stored.value <= guessed.high then 1 end) as n_up_to
    from guessed
    inner join {{ value }} as stored on guessed.plan_key = stored.plan_key and guessed.variant_key = stored.variant_key
    group by guessed.plan_key, guessed.variant_key
),

total as (
    select
        wanted.*,
        guessed.low,
        guessed.high,
        coalesce(counted.n_below, 0) + case when wanted.silent < guessed.low then wanted.n_silent else 0 end as n_below,
        coalesce(counted.n_up_to, 0) + case when wanted.silent <= guessed.high then wanted.n_silent else 0 end as n_up_to
    from {{ wanted }} as wanted
    inner join guessed on wanted.plan_key = guessed.plan_key and wanted.variant_key = guessed.variant_key
    left join counted on wanted.plan_key = counted.plan_key and wanted.variant_key = counted.variant_key
),

proven as (
    select
        plan_key,
        variant_key,
        first_rank,
        last_rank,
        silent,
        n_silent,
        case when n_below < first_rank then low end as low,
        case when n_up_to >= last_rank then high end as high,
        case when n_below < first_rank then n_below else 0 end as n_below
    from total
),

near as (
    select
        proven.plan_key,
        proven.variant_key,
        stored.value,
        count(*) as n_equal
    from proven
    inner join {{ value }} as stored on proven.plan_key = stored.plan_key and proven.variant_key = stored.variant_key
    where
        (proven.low is null or stored.value >= proven.low)
        and (proven.high is null or stored.value <= proven.high)
    group by proven.plan_key, proven.variant_key, stored.value

    union all

    select
        plan_key,
        variant_key,
        silent as value,
        n_silent as n_equal
    from proven
    where n_silent > 0 and (low is null or silent >= low) and (high is null or silent <= high)
),

stacked as (
    select
        near.plan_key,
        near.variant_key,
        near.value,
        near.n_equal,
        proven.first_rank,
        proven.last_rank,
        proven.n_below + sum(near.n_equal) over (
            partition by near.plan_key, near.variant_key order by near.value rows unbounded preceding
        ) as last_equal
    from (
        select
            plan_key,
            variant_key,
            value,
            sum(n_equal) as n_equal
        from near
        group by plan_key, variant_key, value
    ) as near
    inner join proven on near.plan_key = proven.plan_key and near.variant_key = proven.variant_key
)

select
    plan_key,
    variant_key,
    value,
    cast(greatest(last_equal - n_equal + 1, first_rank) as {{ dbt.type_bigint() }}) as rank,
    cast(
        least(last_equal, last_rank) - greatest(last_equal - n_equal + 1, first_rank) + 1 as {{ dbt.type_bigint() }}
    ) as n_equal
from stacked
where last_equal >= first_rank and last_equal - n_equal + 1 <= last_rank
{%- endmacro %}
