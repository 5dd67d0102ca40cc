-- The one pass over the facts: each unit's totals inside the windows of each metric, in the numerator and denominator and
-- in the pre-period. Sparse: a unit without facts has no row. `n_rows` counts every fact that reached the unit (for the
-- ledger); `n_days` and `day_mask` show whether a day came twice: the mask then has fewer bits than days were counted.
{{ dbt_experiments.unit_totals() }}
