-- The scorecard says nothing that the results and the health checks do not say: same effect, and its health is the worst check.

with worst as (
    select
        exp_id,
        max(case status when 'fail' then 3 when 'warn' then 2 else 1 end) as rank
    from {{ ref('experiment_health') }}
    group by exp_id
)

select
    scorecard.exp_id,
    scorecard.variant_id,
    scorecard.decision,
    scorecard.primary_effect,
    results.effect,
    scorecard.health_status
from {{ ref('experiment_scorecard') }} as scorecard
left join {{ ref('experiment_results') }} as results
    on
        scorecard.exp_id = results.exp_id
        and scorecard.variant_id = results.variant_id
        and scorecard.primary_metric = results.metric_id
        and results.population = 'assigned'
        and results.dimension = 'all'
left join {{ ref('experiments__treatment_decision') }} as decided
    on scorecard.exp_id = decided.exp_id and scorecard.variant_id = decided.variant_id
left join worst on scorecard.exp_id = worst.exp_id
where
    scorecard.primary_effect is distinct from results.effect
    -- While it runs without a plan, an experiment is read by the always-valid test, whose p-value is larger.
    or (not decided.is_running and scorecard.primary_p_value is distinct from results.p_value_adjusted)
    or case scorecard.health_status when 'fail' then 3 when 'warn' then 2 else 1 end <> worst.rank
    or (decided.reason_code = 'better' and not decided.is_running and not results.is_significant)
