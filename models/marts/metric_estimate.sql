-- Every estimator that was run, for those who want to compare; exactly one of each comparison is the headline.

select
    {{ dbt_experiments.contract_columns('estimate') }}
from {{ ref('experiments__effect') }} as estimate
