-- Can the experiment be trusted, as people read it: the columns of the contract.

select
    {{ dbt_experiments.contract_columns('health') }}
from {{ ref('experiments__health') }} as health
