-- The cumulative estimate at every look: on each day on which units matured, what the analysis would have shown with the
-- units mature by then. The fixed intervals are for a reader who looks once, the sequential and always-valid ones for one who
-- looks every day.

select
    {{ dbt_experiments.contract_columns('look') }}
from {{ ref('experiments__look') }} as look
