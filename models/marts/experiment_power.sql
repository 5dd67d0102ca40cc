-- What each comparison can detect now, as people read it: the columns of the contract.

select
    {{ dbt_experiments.contract_columns('precision_of') }}
from {{ ref('experiments__comparison_precision') }} as precision_of
