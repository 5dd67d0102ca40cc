-- What the rule asks of each guardrail: is harm shown, and is the absence of harm shown.

select
    exp_id,
    metric_id,
    variant_id,
    -- Violated: shown to be worse, and not shown to be worse by less than the margin.
    coalesce(is_significant and good_estimate < 0, false) and not coalesce(is_non_inferior, false) as is_violated,
    status <> 'ok'
    or (
        non_inferiority_margin is not null
        and not coalesce(is_non_inferior, false)
        and not coalesce(is_significant and good_estimate < 0, false)
    ) as is_undecided
from {{ ref('experiments__result') }}
where role = 'guardrail' and population = 'assigned' and dimension = 'all'
