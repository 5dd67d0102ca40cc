-- Were those who could take part assigned?

select
    experiment.exp_id,
    'all' as scope,
    case
        when eligible.n_eligible is null then 'not_applicable'
        when eligible.n_assigned * 1.0 / eligible.n_eligible < {{ var('assignment_rate_warn_share') }} then 'warn'
        else 'pass'
    end as status,
    eligible.n_assigned * 1.0 / nullif(eligible.n_eligible, 0) as statistic,
    cast(null as {{ dbt_experiments.type_double() }}) as p_value,
    {{ var('assignment_rate_warn_share') }} as threshold,
    case
        when eligible.n_eligible is null then 'No eligible units are given.'
        else
            cast(eligible.n_assigned as {{ dbt.type_string() }}) || ' of '
            || cast(eligible.n_eligible as {{ dbt.type_string() }}) || ' eligible units were assigned.'
    end as message
from {{ ref('experiments__experiment') }} as experiment
left join (
    select
        input.exp_id,
        count(distinct input.unit_id) as n_eligible,
        count(distinct unit.unit_id) as n_assigned
    from {{ ref('experiments__input_eligible_unit') }} as input
    cross join {{ ref('experiments__analysis_date') }} as clock
    left join {{ ref('experiments__assignment') }} as unit on input.exp_id = unit.exp_id and input.unit_id = unit.unit_id
    where input.eligible_at < clock.as_of and input.unit_id is not null
    group by input.exp_id
) as eligible on experiment.exp_id = eligible.exp_id
