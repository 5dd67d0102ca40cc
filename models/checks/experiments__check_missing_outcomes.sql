-- Are there outcomes, of every planned metric, and how many rows had to be set aside?

with rejected as (
    select
        exp_id,
        sum(n_rows) as n_rejected
    from {{ ref('experiments__kpi_outcome_issue') }}
    where reason not in ('unknown_kpi', 'unknown_experiment')
    group by exp_id
)

select
    experiment.exp_id,
    'all' as scope,
    case
        when coalesce(facts.n_rows, 0) = 0 then 'warn'
        when unseen.n_metrics > 0 then 'warn'
        when
            coalesce(rejected.n_rejected, 0) * 1.0 / facts.n_rows > {{ var('rejected_outcomes_warn_share') }}
            then 'warn'
        else 'pass'
    end as status,
    coalesce(rejected.n_rejected, 0) * 1.0 / nullif(facts.n_rows, 0) as statistic,
    cast(null as {{ dbt_experiments.type_double() }}) as p_value,
    {{ var('rejected_outcomes_warn_share') }} as threshold,
    case
        when coalesce(facts.n_rows, 0) = 0 then 'The experiment has no outcome rows.'
        when unseen.n_metrics > 0 then 'Planned metrics whose kpi was never seen: ' || unseen.listed || '.'
        else
            cast(coalesce(rejected.n_rejected, 0) as {{ dbt.type_string() }}) || ' of '
            || cast(facts.n_rows as {{ dbt.type_string() }})
            || ' outcome rows were set aside; experiment_data_issue lists them.'
    end as message
from {{ ref('experiments__experiment') }} as experiment
left join {{ ref('experiments__outcome_count') }} as facts on experiment.exp_id = facts.exp_id
left join rejected on experiment.exp_id = rejected.exp_id
left join (
    select
        exp_id,
        count(*) as n_metrics,
        {{ dbt.listagg('metric_id', "', '", 'order by metric_id') }} as listed
    from {{ ref('experiments__experiment_metric') }}
    where issue = 'unknown_kpi'
    group by exp_id
) as unseen on experiment.exp_id = unseen.exp_id
