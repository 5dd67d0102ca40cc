-- Assignment rows that cannot be used, and why.

select
    'assignment' as input,
    exp_id,
    unit_id,
    variant_id,
    {{ dbt_experiments.row_key({'exp_id': 'exp_id', 'unit_id': 'unit_id', 'variant_id': 'variant_id'}) }} as key,
    issue as reason
from {{ ref('experiments__assignment_row') }}
where issue is not null

union all

select
    'assignment' as input,
    exp_id,
    unit_id,
    variant_id,
    {{ dbt_experiments.row_key({'exp_id': 'exp_id', 'unit_id': 'unit_id', 'variant_id': 'variant_id'}) }} as key,
    issue as reason
from {{ ref('experiments__repeated_assignment') }}
where issue is not null
