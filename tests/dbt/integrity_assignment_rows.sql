{{ config(
    enabled=var('test_facts') if var('test_facts') is not none else var('demo', project_name == 'dbt_experiments')
) }}
-- Nothing is silently dropped: of each experiment, the assignment rows that exist at `as_of` are either units of the analysis
-- or issues, and never both.

with given as (
    select
        input.exp_id,
        count(*) as n
    from {{ ref('experiments__input_assignment') }} as input
    cross join {{ ref('experiments__analysis_date') }} as clock
    where input.assigned_at is null or input.assigned_at < clock.as_of
    group by input.exp_id
),

used as (
    select
        exp_id,
        count(*) as n
    from {{ ref('experiments__assignment') }}
    group by exp_id
),

reported as (
    select
        exp_id,
        sum(n_rows) as n
    from {{ ref('experiment_data_issue') }}
    where input = 'assignment'
    group by exp_id
)

select
    given.exp_id,
    given.n as n_given,
    coalesce(used.n, 0) as n_used,
    coalesce(reported.n, 0) as n_reported
from given
left join used on given.exp_id = used.exp_id
left join reported on given.exp_id is not distinct from reported.exp_id
where given.n <> coalesce(used.n, 0) + coalesce(reported.n, 0)
