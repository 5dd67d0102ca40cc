-- Were the arms alike before the experiment?

select
    experiment.exp_id,
    'all' as scope,
    case
        when worst.p_value is null then 'not_applicable'
        when worst.p_value * worst.n_tests < {{ var('balance_warn_alpha') }} then 'warn'
        else 'pass'
    end as status,
    worst.statistic,
    case when worst.p_value * worst.n_tests > 1 then 1 else worst.p_value * worst.n_tests end as p_value,
    {{ var('balance_warn_alpha') }} as threshold,
    case
        when worst.p_value is null then 'No metric has a pre-period to compare.'
        else
            'Of ' || cast(worst.n_tests as {{ dbt.type_string() }})
            || ' pre-period comparisons the least balanced is ' || worst.metric_id || ' (' || worst.variant_id
            || '), ' || {{ dbt_experiments.p_text('worst.p_value') }} || ' before correction.'
    end as message
from {{ ref('experiments__experiment') }} as experiment
left join (
    select
        *,
        count(*) over (partition by exp_id) as n_tests,
        row_number() over (partition by exp_id order by p_value, metric_id, variant_id) as place
    from {{ ref('experiments__allocation') }}
    where check_name = 'balance'
) as worst on experiment.exp_id = worst.exp_id and worst.place = 1
