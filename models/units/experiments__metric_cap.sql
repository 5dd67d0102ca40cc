-- The thresholds of capped metrics, pooled over all variants of a population so that a cap cannot make an effect. Taken
-- from its mature units: `percentile` counts the units without outcome as zeros, `percentile_nonzero` leaves zeros out.
-- A metric whose values are all 0 or 1 is never capped.

with capped as (
    select * from {{ ref('experiments__plan_metric') }}
    where cap_lower is not null or cap_upper is not null
),

mature_units as (
    select
        capped.plan_key,
        count(*) as n_units
    from capped
    inner join {{ ref('experiments__population_unit') }} as unit on capped.population_key = unit.population_key
    where {{ dbt_experiments.mature_on('unit.anchored_at', 'capped', 'capped.as_of') }} <= capped.as_of
    group by capped.plan_key
),

mature_value as (
    select
        unit_value.plan_key,
        unit_value.numerator,
        capped.cap_kind,
        row_number() over (partition by unit_value.plan_key order by unit_value.numerator) as position
    from {{ ref('experiments__unit_value') }} as unit_value
    inner join capped on unit_value.plan_key = capped.plan_key
    where unit_value.mature_on <= capped.as_of and unit_value.numerator <> 0
),

shape as (
    select
        plan_key,
        count(*) as n_nonzero,
        count(case when numerator < 0 then 1 end) as n_negative,
        count(case when numerator <> 1 then 1 end) as n_not_binary
    from mature_value
    group by plan_key
),

-- The two order statistics around each percentile (linear interpolation, type 7), by their places among all units.
place as (
    select
        capped.plan_key,
        bound.side,
        (case bound.side when 'lower' then capped.cap_lower else capped.cap_upper end)
        * (case capped.cap_kind when 'percentile' then mature_units.n_units else shape.n_nonzero end - 1) as rank,
        case capped.cap_kind when 'percentile' then mature_units.n_units - shape.n_nonzero else 0 end as n_zeros,
        shape.n_negative
    from capped
    inner join mature_units on capped.plan_key = mature_units.plan_key
    inner join shape on capped.plan_key = shape.plan_key
    cross join (
        select 'lower' as side
        union all
        select 'upper' as side
    ) as bound
    where capped.cap_kind <> 'fixed'
),

neighbour as (
    select plan_key, side, rank, n_zeros, n_negative, floor(rank) as place from place where rank is not null
    union all
    select plan_key, side, rank, n_zeros, n_negative, floor(rank) + 1 as place from place where rank is not null
),

-- Places count from 0: first the negative values, then the zeros, then the positive values.
order_statistic as (
    select
        neighbour.plan_key,
        neighbour.side,
        neighbour.rank,
        neighbour.place,
        case
            when neighbour.place >= neighbour.n_negative
                and neighbour.place < neighbour.n_negative + neighbour.n_zeros then 0
            else mature_value.numerator
        end as value
    from neighbour
    left join mature_value
        on
            neighbour.plan_key = mature_value.plan_key
            and mature_value.position = neighbour.place + 1
            - case when neighbour.place >= neighbour.n_negative + neighbour.n_zeros then neighbour.n_zeros else 0 end
),

percentile as (
    select
        plan_key,
        side,
        max(case when place <= rank then value end)
        + (max(rank) - floor(max(rank)))
        * coalesce(max(case when place > rank then value end) - max(case when place <= rank then value end), 0) as value
    from order_statistic
    group by plan_key, side
)

select
    capped.plan_key,
    capped.cap_kind,
    case when capped.cap_kind = 'fixed' then capped.cap_lower else lower_bound.value end as cap_lower,
    case when capped.cap_kind = 'fixed' then capped.cap_upper else upper_bound.value end as cap_upper
from capped
inner join shape on capped.plan_key = shape.plan_key
left join percentile as lower_bound on capped.plan_key = lower_bound.plan_key and lower_bound.side = 'lower'
left join percentile as upper_bound on capped.plan_key = upper_bound.plan_key and upper_bound.side = 'upper'
where shape.n_not_binary > 0
