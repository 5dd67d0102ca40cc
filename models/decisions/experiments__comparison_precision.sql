{{ config(materialized='table') }}
-- What each comparison can detect now, and the units and days it still needs for its plan.

with arrival as (
    select
        exp_id,
        sum(n_units) * 1.0 / count(distinct assigned_on) as units_per_day
    from {{ ref('experiments__assignment_count') }}
    group by exp_id
),

arms as (
    select
        count_by_variant.exp_id,
        count_by_variant.variant_id,
        sum(count_by_variant.n_units) as n_assigned
    from {{ ref('experiments__assignment_count') }} as count_by_variant
    group by count_by_variant.exp_id, count_by_variant.variant_id
)

select
    results.exp_id,
    results.metric_id,
    results.variant_id,
    results.role,
    results.n_control + results.n_treatment as n,
    power.mde_now,
    power.mde_now_absolute,
    results.mde,
    power.power_for_mde,
    experiment.power as power_planned,
    cast(power.n_needed as {{ dbt.type_bigint() }}) as n_needed,
    case
        when power.n_needed is not null
            then cast(
                greatest(power.n_needed - (results.n_control + results.n_treatment), 0) as {{ dbt.type_bigint() }}
            )
    end as n_still_needed,
    case
        when power.n_needed is not null and arrival.units_per_day > 0
            then cast(
                ceil(
                    greatest(power.n_needed - (results.n_control + results.n_treatment), 0)
                    -- Only the share of the arrivals that goes to these two arms counts.
                    / (arrival.units_per_day * (control.n_assigned + treatment.n_assigned) / total.n_assigned)
                ) as {{ dbt.type_bigint() }}
            )
    end as days_still_needed,
    results.status
from {{ ref('experiments__result') }} as results
inner join {{ ref('experiments__experiment') }} as experiment on results.exp_id = experiment.exp_id
left join {{ ref('experiments__power') }} as power
    on {{ dbt_experiments.same_comparison('results', 'power') }}
left join arrival on results.exp_id = arrival.exp_id
left join arms as control on results.exp_id = control.exp_id and results.control_variant_id = control.variant_id
left join arms as treatment on results.exp_id = treatment.exp_id and results.variant_id = treatment.variant_id
left join (select exp_id, sum(n_assigned) as n_assigned from arms group by exp_id) as total
    on results.exp_id = total.exp_id
where results.population = 'assigned' and results.dimension = 'all'
