-- Every input row that could not be used, by its key and reason; equal rows are counted.

with issue as (
    select input, exp_id, cast(null as {{ dbt.type_string() }}) as unit_id, key, reason, 1 as n_rows
    from {{ ref('experiments__configuration_issue') }}
    union all
    select input, exp_id, unit_id, key, reason, 1 as n_rows from {{ ref('experiments__assignment_issue') }}
    union all
    select input, exp_id, unit_id, key, reason, n_rows from {{ ref('experiments__kpi_outcome_issue') }}
    union all
    select input, exp_id, unit_id, key, reason, 1 as n_rows from {{ ref('experiments__optional_input_issue') }}
)

select
    input,
    key,
    reason,
    exp_id,
    unit_id,
    cast(sum(n_rows) as {{ dbt.type_bigint() }}) as n_rows
from issue
group by input, key, reason, exp_id, unit_id
