-- Not offered yet: a row that says so, so that nobody takes silence for health.

select
    exp_id,
    'all' as scope,
    'not_applicable' as status,
    cast(null as {{ dbt_experiments.type_double() }}) as statistic,
    cast(null as {{ dbt_experiments.type_double() }}) as p_value,
    cast(null as {{ dbt_experiments.type_double() }}) as threshold,
    'The allocation within segments is not checked yet.' as message
from {{ ref('experiments__experiment') }}
