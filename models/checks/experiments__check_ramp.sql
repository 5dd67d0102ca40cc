-- Did the allocation change while units came?

select
    experiment.exp_id,
    'all' as scope,
    case when coalesce(phases.n_phases, 1) > 1 then 'warn' else 'not_applicable' end as status,
    cast(coalesce(phases.n_phases, 1) as {{ dbt_experiments.type_double() }}) as statistic,
    cast(null as {{ dbt_experiments.type_double() }}) as p_value,
    cast(1 as {{ dbt_experiments.type_double() }}) as threshold,
    case
        when coalesce(phases.n_phases, 1) > 1 then
            'The allocation changed while units came: estimates pool the phases, and a metric that moved over time can '
            || 'bias them.'
        else 'The allocation was the same for all units.'
    end as message
from {{ ref('experiments__experiment') }} as experiment
left join (
    select exp_id, count(distinct phase) as n_phases from {{ ref('experiments__assignment_count') }} group by exp_id
) as phases on experiment.exp_id = phases.exp_id
