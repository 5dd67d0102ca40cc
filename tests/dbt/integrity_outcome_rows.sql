{{ config(
    enabled=var('test_facts') if var('test_facts') is not none else var('demo', project_name == 'dbt_experiments')
) }}
-- Nothing is silently dropped: of each experiment and kpi that a computable plan reads, the outcome rows that exist at `as_of`
-- are either used or issues. Rows between `as_of` and the day of the run do not exist yet; rows after the run are issues.

with given as (
    select
        input.exp_id,
        input.kpi_name,
        count(*) as n
    from {{ ref('experiments__input_kpi_outcome') }} as input
    cross join {{ ref('experiments__analysis_date') }} as clock
    where input.metric_date is null or input.metric_date < clock.as_of
    group by input.exp_id, input.kpi_name
),

used as (
    select
        exp_id,
        kpi_name,
        count(*) as n
    from {{ ref('experiments__kpi_outcome') }}
    group by exp_id, kpi_name
),

reported as (
    select
        issue.exp_id,
        reader.kpi_name,
        sum(issue.n_rows) as n
    from {{ ref('experiments__kpi_outcome_issue') }} as issue
    inner join (select distinct exp_id, kpi_name from {{ ref('experiments__plan_kpi') }}) as reader
        on
            issue.exp_id = reader.exp_id
            -- The key ends in the name of the kpi.
            and right(issue.key, length(reader.kpi_name) + 11) = ', kpi_name=' || reader.kpi_name
    where issue.reason <> 'future_outcome'
    group by issue.exp_id, reader.kpi_name
)

select
    given.exp_id,
    given.kpi_name,
    given.n as n_given,
    coalesce(used.n, 0) as n_used,
    coalesce(reported.n, 0) as n_reported
from given
inner join (select distinct exp_id, kpi_name from {{ ref('experiments__plan_kpi') }}) as reader
    on given.exp_id = reader.exp_id and given.kpi_name = reader.kpi_name
left join used on given.exp_id = used.exp_id and given.kpi_name = used.kpi_name
left join reported on given.exp_id = reported.exp_id and given.kpi_name = reported.kpi_name
where given.n <> coalesce(used.n, 0) + coalesce(reported.n, 0)
