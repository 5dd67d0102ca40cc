-- The totals of the unit-metrics in which a day came more than once, computed again with each day counted once. Normally
-- empty, and then free: there is no unit to join the facts to. A mask has 64 places, so windows that span more days land
-- here too; they are counted right, only slower.
with repeated as (
    select
        unit_key,
        plan_key
    from {{ ref('experiments__unit_total') }}
    where n_days <> bit_count(day_mask)
)

{{ dbt_experiments.unit_totals(only='repeated') }}
