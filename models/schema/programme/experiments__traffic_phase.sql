-- The allocation in force: for each experiment, variant and phase between two changes of traffic, the planned share. Phase 0 is
-- the plan; without changes it is the only one. A change that names some variants leaves the others as they were.

with change as (
    select
        input.exp_id,
        input.variant_id,
        input.effective_at,
        max(input.traffic_pct) as traffic_pct
    from {{ ref('experiments__input_traffic_change') }} as input
    inner join {{ ref('experiments__variant') }} as variant
        on input.exp_id = variant.exp_id and input.variant_id = variant.variant_id
    where input.effective_at is not null and input.traffic_pct >= 0
    group by input.exp_id, input.variant_id, input.effective_at
),

moment as (
    select
        exp_id,
        effective_at,
        row_number() over (partition by exp_id order by effective_at) as phase
    from (select distinct exp_id, effective_at from change) as change_time

    union all

    select
        exp_id,
        cast(null as {{ dbt.type_timestamp() }}) as effective_at,
        0 as phase
    from {{ ref('experiments__experiment') }}
),

in_force as (
    select
        moment.exp_id,
        moment.phase,
        moment.effective_at,
        planned.variant_id,
        -- A change speaks in the plan's own unit, fractions or percent.
        coalesce(
            max_by(change.traffic_pct, change.effective_at), max(planned.traffic_pct)
        ) as traffic_pct
    from moment
    inner join {{ ref('experiments__variant') }} as planned on moment.exp_id = planned.exp_id
    left join change
        on
            moment.exp_id = change.exp_id
            and planned.variant_id = change.variant_id
            and change.effective_at <= moment.effective_at
    group by moment.exp_id, moment.phase, moment.effective_at, planned.variant_id
)

select
    exp_id,
    variant_id,
    cast(phase as integer) as phase,
    effective_at as valid_from,
    lead(effective_at) over (partition by exp_id, variant_id order by phase) as valid_to,
    traffic_pct / nullif(sum(traffic_pct) over (partition by exp_id, phase), 0) as traffic_share
from in_force
