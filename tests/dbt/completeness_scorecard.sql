-- Every treatment has its row on the scorecard, and every experiment at least one, also where nothing can be decided.

with expected as (
    select
        experiment.exp_id,
        coalesce(variant.variant_id, '(none)') as variant_id
    from {{ ref('experiments__experiment') }} as experiment
    left join {{ ref('experiments__variant') }} as variant
        on
            experiment.exp_id = variant.exp_id
            and (experiment.control_variant_id is null or variant.variant_id <> experiment.control_variant_id)
)

select
    expected.exp_id,
    expected.variant_id
from expected
left join {{ ref('experiment_scorecard') }} as scorecard
    on expected.exp_id = scorecard.exp_id and expected.variant_id = scorecard.variant_id
where scorecard.exp_id is null
