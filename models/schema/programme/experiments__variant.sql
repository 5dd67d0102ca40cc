-- One row per variant of a known experiment: its planned share of the traffic and whether it is the control.

with input as (
    select
        variants.*,
        {{ dbt_experiments.occurrence('variant', 'variants') }} as occurrence
    from {{ ref('experiments__input_variant') }} as variants
    where
        variants.variant_id is not null
        and variants.exp_id in (select exp_id from {{ ref('experiments__input_experiment') }})
),

totals as (
    select
        exp_id,
        sum(traffic_pct) as total_traffic,
        min(case when traffic_pct >= 0 then 1 else 0 end) as all_given,
        count(is_control) as n_marked
    from input
    where occurrence = 1
    group by exp_id
)

select
    input.exp_id,
    input.variant_id,
    cast(row_number() over (order by input.exp_id, input.variant_id) as integer) as variant_key,
    input.traffic_pct,
    case
        when totals.all_given = 1 and totals.total_traffic > 0 then input.traffic_pct / totals.total_traffic
    end as traffic_share,
    case
        when totals.n_marked > 0 then coalesce(input.is_control, false)
        else lower(input.variant_id) = 'control'
    end as is_control,
    case
        when totals.all_given = 1
            and (abs(totals.total_traffic - 1) <= 0.001 or abs(totals.total_traffic - 100) <= 0.1) then false
        else true
    end as has_bad_traffic
from input
inner join totals on input.exp_id = totals.exp_id
where input.occurrence = 1
