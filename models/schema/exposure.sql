-- The first exposure of each assigned unit, at or after its assignment.

select
    unit.exp_id,
    unit.unit_id,
    unit.variant_id,
    min(input.exposed_at) as exposed_at
from {{ ref('input_exposure') }} as input
inner join {{ ref('assignment') }} as unit on input.exp_id = unit.exp_id and input.unit_id = unit.unit_id
cross join {{ ref('analysis_date') }} as clock
where
    input.exposed_at >= unit.assigned_at
    and input.exposed_at < clock.as_of
group by unit.exp_id, unit.unit_id, unit.variant_id
