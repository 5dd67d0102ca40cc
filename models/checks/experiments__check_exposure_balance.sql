-- Is the exposed population balanced? Never a failure: decisions rest on all assigned units, whoever was exposed.

select
    experiment.exp_id,
    'all' as scope,
    case
        when exposure.note is not null or exposure.p_value is null then 'not_applicable'
        when exposure.p_value < {{ var('srm_warn_alpha') }} then 'warn'
        else 'pass'
    end as status,
    case when exposure.note is null then exposure.statistic end as statistic,
    case when exposure.note is null then exposure.p_value end as p_value,
    {{ var('srm_warn_alpha') }} as threshold,
    case
        when exposure.note = 'empty_arm' then
            'Exposure was not recorded in every variant (' || counted.observed
            || '): the exposed cannot be compared where it was not; the estimator `cace` needs no exposures in the control.'
        when exposure.note = 'unplanned_arm' then 'A variant without planned traffic has exposed units.'
        when exposure.p_value is null then 'No exposures are given, or no usable planned traffic.'
        else
            'Exposed ' || {{ dbt_experiments.allocation_text('exposure', 'counted') }}
            || case
                when exposure.p_value < {{ var('srm_fail_alpha') }} then
                    '. Who is exposed depends on the variant: do not use the results of the population `exposed`.'
                else '.'
            end
    end as message
from {{ ref('experiments__experiment') }} as experiment
left join {{ ref('experiments__allocation') }} as exposure
    on experiment.exp_id = exposure.exp_id and exposure.check_name = 'exposure_balance'
left join {{ ref('experiments__allocation_by_variant') }} as counted
    on experiment.exp_id = counted.exp_id and counted.population = 'exposed'
