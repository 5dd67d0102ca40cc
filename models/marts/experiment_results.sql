-- The result of every planned comparison, as people read it: the columns of the contract.

select
    {{ dbt_experiments.contract_columns('result') }}
from {{ ref('experiments__result') }} as result
