-- What the shop's dashboard shows of each test.

select
    exp_id,
    metric_id,
    variant_id,
    lift,
    p_value,
    is_significant
from {{ ref('dbt_experiments', 'experiment_results') }}
where role = 'primary'
