-- Usable assignment rows of the units that have more than one, and what becomes of each: the first of repeats is kept;
-- a unit seen in several variants is kept nowhere.

with usable as (
    select * from {{ ref('experiments__assignment_row') }} where issue is null
),

repeated as (
    select exp_id, unit_id
    from usable
    group by exp_id, unit_id
    having count(*) > 1
),

ranked as (
    select
        usable.*,
        min(usable.variant_id) over (partition by usable.exp_id, usable.unit_id) as lowest_variant,
        max(usable.variant_id) over (partition by usable.exp_id, usable.unit_id) as highest_variant,
        row_number() over (
            partition by usable.exp_id, usable.unit_id
            order by usable.assigned_at, usable.loaded_at, usable.variant_id, usable.cluster_id, usable.stratum
        ) as occurrence
    from usable
    inner join repeated on usable.exp_id = repeated.exp_id and usable.unit_id = repeated.unit_id
)

select
    exp_id,
    unit_id,
    variant_id,
    exp_key,
    variant_key,
    assigned_at,
    cluster_id,
    stratum,
    occurrence,
    case
        when lowest_variant <> highest_variant then 'multiple_variants'
        when occurrence > 1 then 'duplicate_assignment'
    end as issue
from ranked
