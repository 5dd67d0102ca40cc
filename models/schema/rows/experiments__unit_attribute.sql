-- What was known of each assigned unit before its assignment: the latest value of each attribute. A value that speaks of the
-- experiment goes before one that speaks of the unit.

with known as (
    select
        unit.exp_id,
        unit.unit_id,
        input.attribute,
        input.value,
        row_number() over (
            partition by unit.exp_id, unit.unit_id, input.attribute
            order by case when input.exp_id is null then 1 else 0 end asc, input.valid_from desc nulls last, input.value asc
        ) as recency
    from {{ ref('experiments__input_unit_attribute') }} as input
    inner join {{ ref('experiments__assignment') }} as unit
        on input.unit_id = unit.unit_id and (input.exp_id is null or input.exp_id = unit.exp_id)
    where
        input.attribute is not null
        and (input.valid_from is null or input.valid_from <= unit.assigned_at)
)

select
    exp_id,
    unit_id,
    attribute,
    value
from known
where recency = 1
