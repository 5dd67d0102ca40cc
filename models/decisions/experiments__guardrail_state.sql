-- What the rule asks of each guardrail: is harm shown, is it shown by a test that may be read every day, and is the absence of
-- harm shown.

with judged as (
    select
        result.*,
        standing.basis,
        standing.is_running,
        standing.crossed_on,
        standing.crossing_side,
        standing.standing_p_value,
        experiment.planned_units,
        -- Without a lift (a control of zero) the effect has a side, too.
        coalesce(
            result.good_estimate, case when result.direction = 'decrease' then -result.effect else result.effect end
        ) as good_side,
        -- The interval that holds on every day, on the scale of the plan.
        case when result.direction = 'decrease' then -result.always_valid_ci_high else result.always_valid_ci_low end
        / case when result.effect_scale = 'absolute' then 1.0 else nullif(abs(result.mean_control), 0) end as standing_low
    from {{ ref('experiments__result') }} as result
    inner join {{ ref('experiments__comparison_standing') }} as standing
        on
            result.exp_id = standing.exp_id
            and result.metric_id = standing.metric_id
            and result.variant_id = standing.variant_id
    inner join {{ ref('experiments__experiment') }} as experiment on result.exp_id = experiment.exp_id
    where result.role = 'guardrail' and result.population = 'assigned' and result.dimension = 'all'
),

shown as (
    select
        *,
        case
            when basis = 'always_valid' and planned_units is null
                then standing_low > -non_inferiority_margin
            else is_non_inferior
        end as is_within_margin,
        -- A crossing is about the side that crossed; a test that is read once, about the estimate.
        case
            when basis = 'sequential' then coalesce(is_significant, false) and crossing_side < 0
            when basis = 'fixed' or planned_units is not null
                then coalesce(is_significant and good_side < 0, false) or crossing_side < 0
            else crossing_side < 0
        end as is_harmed,
        crossing_side < 0 as has_crossed_harm
    from judged
)

select
    exp_id,
    metric_id,
    variant_id,
    -- Violated: shown to be worse, and not shown to be worse by less than the margin.
    is_harmed and not coalesce(is_within_margin, false) as is_violated,
    has_crossed_harm and not coalesce(is_within_margin, false) as is_stopping,
    status <> 'ok'
    or (
        non_inferiority_margin is not null and not coalesce(is_within_margin, false) and not is_harmed
    ) as is_undecided,
    basis,
    crossed_on,
    standing_p_value,
    mean_control,
    mean_treatment,
    effect,
    lift,
    effect_scale,
    p_value_adjusted
from shown
