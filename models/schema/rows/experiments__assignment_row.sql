{{ config(materialized='view') }}
-- Every assignment row that exists at `as_of`, with the reason why it cannot be used, if any. Repeats are looked at next.

with input as (
    select * from {{ ref('experiments__input_assignment') }}
),

excluded as (
    select
        exp_id,
        unit_id,
        min(reason) as reason
    from {{ ref('experiments__input_excluded_unit') }}
    group by exp_id, unit_id
)

select
    input.exp_id,
    input.unit_id,
    input.variant_id,
    experiment.exp_key,
    variant.variant_key,
    input.assigned_at,
    input.cluster_id,
    input.stratum,
    input.loaded_at,
    case
        when
            input.exp_id is null or input.unit_id is null
            or input.variant_id is null or input.assigned_at is null then 'null_key'
        when experiment.exp_id is null then 'unknown_experiment'
        when variant.variant_id is null then 'unknown_variant'
        when
            input.assigned_at < experiment.start_time
            or input.assigned_at >= experiment.end_time then 'assigned_outside_experiment'
        when input.unit_id in (select unit_id from excluded where exp_id is null) then 'excluded_unit'
        when excluded.unit_id is not null then 'excluded_unit'
    end as issue
from input
cross join {{ ref('experiments__analysis_date') }} as clock
left join {{ ref('experiments__experiment') }} as experiment on input.exp_id = experiment.exp_id
left join {{ ref('experiments__variant') }} as variant on input.exp_id = variant.exp_id and input.variant_id = variant.variant_id
left join excluded on input.exp_id = excluded.exp_id and input.unit_id = excluded.unit_id
where input.assigned_at is null or input.assigned_at < clock.as_of
