{{ config(materialized='view') }}
-- The moments that the results rest on: per planned metric and variant, everything mature at `as_of`.

select
    plan_key,
    exp_id,
    metric_id,
    variant_id,
    look_date,
    n,
    n_not_binary
    {%- for v in dbt_experiments.moment_variables() %},
    mean_{{ v }}
    {%- endfor %}
    {%- for a, b in dbt_experiments.moment_pairs() %},
    {{ dbt_experiments.moment_name(a, b) }}
    {%- endfor %}
from {{ ref('experiments__look_moment') }}
where is_last_look
