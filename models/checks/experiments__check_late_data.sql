-- Do outcomes arrive in time?

select
    experiment.exp_id,
    'all' as scope,
    case
        when facts.n_late is null then 'not_applicable'
        when facts.n_late * 1.0 / facts.n_rows > {{ var('late_data_warn_share') }} then 'warn'
        else 'pass'
    end as status,
    facts.n_late * 1.0 / nullif(facts.n_rows, 0) as statistic,
    cast(null as {{ dbt_experiments.type_double() }}) as p_value,
    {{ var('late_data_warn_share') }} as threshold,
    case
        when facts.n_late is null then 'The outcomes do not say when they were loaded.'
        else
            cast(facts.n_late as {{ dbt.type_string() }}) || ' of ' || cast(facts.n_rows as {{ dbt.type_string() }})
            || ' outcome rows were loaded more than {{ var("late_data_days") }} days after their day.'
    end as message
from {{ ref('experiments__experiment') }} as experiment
left join {{ ref('experiments__outcome_count') }} as facts on experiment.exp_id = facts.exp_id
