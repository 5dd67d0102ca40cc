-- One row per unit of an experiment, in exactly one variant. `unit_key` is what the facts carry instead of two strings.

with usable as (
    select exp_id, exp_key, unit_id, variant_id, variant_key, assigned_at, cluster_id, stratum
    from {{ ref('experiments__assignment_row') }}
    where issue is null
),

once as (
    select usable.*
    from usable
    left join (select distinct exp_id, unit_id from {{ ref('experiments__repeated_assignment') }}) as repeated
        on usable.exp_id = repeated.exp_id and usable.unit_id = repeated.unit_id
    where repeated.unit_id is null
),

kept as (
    select exp_id, exp_key, unit_id, variant_id, variant_key, assigned_at, cluster_id, stratum
    from {{ ref('experiments__repeated_assignment') }}
    where issue is null
),

assigned as (
    select * from once
    union all
    select * from kept
)

select
    cast({{ dbt_experiments.unit_key() }} as {{ dbt.type_bigint() }}) as unit_key,
    exp_id,
    unit_id,
    variant_id,
    variant_key,
    exp_key,
    assigned_at,
    cast(assigned_at as date) as assigned_on,
    cluster_id,
    stratum
from assigned
