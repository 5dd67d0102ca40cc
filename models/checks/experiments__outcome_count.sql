-- The daily outcomes that came for each experiment: rows, late rows, newest day.

select
    exp_id,
    sum(n_rows) as n_rows,
    sum(n_late) as n_late,
    max(last_past_date) as last_date
from {{ ref('experiments__kpi_profile') }}
where input = 'kpi_outcome'
group by exp_id
