{{ config(materialized='table') }}
-- Every check of every experiment, with its numbers and a sentence. A check that does not apply is a row that says so, so that
-- silence never looks like health.
{% for check_name in dbt_experiments.health_checks() %}
select
    exp_id,
    '{{ check_name }}' as check_name,
    scope,
    status,
    cast(statistic as {{ dbt_experiments.type_double() }}) as statistic,
    cast(p_value as {{ dbt_experiments.type_double() }}) as p_value,
    cast(threshold as {{ dbt_experiments.type_double() }}) as threshold,
    message
from {{ ref('experiments__check_' ~ check_name) }}
{{ 'union all' if not loop.last }}
{%- endfor %}
