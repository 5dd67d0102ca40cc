-- On which days did the allocation leave its plan? Counts per variant and day of assignment beside the counts that the
-- allocation in force asks for, with running totals: a mismatch that starts on one day points at a release. The standardised
-- deviation of a single day is beyond 3 about once in 370 sound days, so read it after the check `srm` has warned.

with daily as (
    select
        exp_id,
        variant_id,
        assigned_on,
        phase,
        n,
        traffic_share,
        sum(n) over (partition by exp_id, assigned_on, phase) as n_of_day,
        counts_clusters
    from {{ ref('experiments__allocation_count') }}
),

expected as (
    select
        *,
        n_of_day * traffic_share as n_expected
    from daily
)

select
    exp_id,
    assigned_on,
    phase,
    variant_id,
    case when counts_clusters then 'clusters' else 'units' end as counted,
    n,
    n_expected,
    (n - n_expected) / nullif(sqrt(n_expected * (1 - traffic_share)), 0) as deviation_in_standard_errors,
    sum(n) over so_far as n_so_far,
    sum(n_expected) over so_far as n_expected_so_far,
    sum(n - n_expected) over so_far
    / nullif(sqrt(sum(n_expected * (1 - traffic_share)) over so_far), 0) as running_deviation
from expected
window so_far as (partition by exp_id, variant_id order by assigned_on, phase rows unbounded preceding)
order by exp_id, assigned_on, phase, variant_id
