-- Are the data of a running experiment of today?

select
    clock.exp_id,
    'all' as scope,
    case
        when not clock.is_running then 'not_applicable'
        when {{ 'true' if var('as_of') is not none else 'false' }} then 'not_applicable'
        when facts.last_date is null then 'warn'
        when
            {{ dbt_experiments.day_offset('facts.last_date', 'clock.run_date') }}
            > {{ var('freshness_warn_days') }} then 'warn'
        else 'pass'
    end as status,
    case
        when clock.is_running
            then {{ dbt_experiments.day_offset('facts.last_date', 'clock.run_date') }}
    end as statistic,
    cast(null as {{ dbt_experiments.type_double() }}) as p_value,
    {{ var('freshness_warn_days') }} as threshold,
    case
        when not clock.is_running then 'The experiment has ended.'
        when {{ 'true' if var('as_of') is not none else 'false' }} then 'The analysis is made for a given date.'
        when facts.last_date is null then 'The experiment has no outcome rows.'
        else
            'The newest outcome is of ' || cast(facts.last_date as {{ dbt.type_string() }}) || ', the run of '
            || cast(clock.run_date as {{ dbt.type_string() }}) || '.'
    end as message
from {{ ref('experiments__experiment_clock') }} as clock
left join {{ ref('experiments__outcome_count') }} as facts on clock.exp_id = facts.exp_id
