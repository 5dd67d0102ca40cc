-- Could an ended experiment have found the effect that it was planned for?

select
    experiment.exp_id,
    coalesce(precision_of.metric_id || ' / ' || precision_of.variant_id, 'all') as scope,
    case
        when clock.is_running or precision_of.power_for_mde is null then 'not_applicable'
        when precision_of.power_for_mde < precision_of.power_planned then 'warn'
        else 'pass'
    end as status,
    precision_of.power_for_mde as statistic,
    cast(null as {{ dbt_experiments.type_double() }}) as p_value,
    experiment.power as threshold,
    case
        when precision_of.power_for_mde is null then 'The plan names no effect that the primary metric should detect.'
        when clock.is_running then 'The experiment is still running.'
        else
            'At its final precision the experiment had a power of '
            || {{ dbt_experiments.decimal_text('100 * precision_of.power_for_mde', 1) }}
            || ' % for the planned effect of ' || precision_of.metric_id || '.'
    end as message
from {{ ref('experiments__experiment') }} as experiment
inner join {{ ref('experiments__experiment_clock') }} as clock on experiment.exp_id = clock.exp_id
left join (
    select * from {{ ref('experiments__comparison_precision') }} where role = 'primary'
) as precision_of on experiment.exp_id = precision_of.exp_id
