-- What the rule asks of each primary metric, and what the sentence shows of it: which side is shown, by a test that may be read
-- when it is read, and the numbers of that test on the scale that they are told on.

with judged as (
    select
        result.*,
        -- Without a lift (a control of zero, a rank test) the effect has a side, too.
        coalesce(
            sign(result.good_estimate),
            case when result.direction = 'decrease' then -sign(result.effect) else sign(result.effect) end, 0
        ) as estimate_side,
        standing.basis,
        standing.is_running,
        standing.look_statistic,
        standing.look_boundary,
        standing.look_lift_ci_low,
        standing.look_lift_ci_high,
        standing.crossed_on,
        standing.crossing_statistic,
        standing.crossing_boundary,
        standing.crossing_fraction,
        standing.crossing_effect,
        standing.crossing_side,
        standing.standing_p_value,
        case
            when standing.basis in ('sequential', 'always_valid') then standing.crossing_side
            when standing.basis = 'fixed' and coalesce(result.is_significant, false) then coalesce(
                sign(result.good_estimate),
                case when result.direction = 'decrease' then -sign(result.effect) else sign(result.effect) end, 0
            )
            else 0
        end as side,
        -- A plan that asks for gain only has no test of harm; its test of gain that fails by as much is one.
        coalesce(
            standing.basis = 'fixed'
            and result.alternative in ('greater', 'less')
            and coalesce(
                result.good_estimate, case when result.direction = 'decrease' then -result.effect else result.effect end
            ) < 0
            and result.p_value >= 1 - result.alpha, false
        ) as is_harm_outside_plan,
        result.mde is null and result.non_inferiority_margin is not null as asks_for_no_harm,
        -- Margins in the metric's unit say nothing about the probability that a rank test compares.
        coalesce(result.estimator in {{ dbt_experiments.words_of('estimator_without_unit') }}, false) as has_no_unit
    from {{ ref('experiments__result') }} as result
    inner join {{ ref('experiments__comparison_standing') }} as standing
        on
            result.exp_id = standing.exp_id
            and result.metric_id = standing.metric_id
            and result.variant_id = standing.variant_id
    where result.role = 'primary' and result.population = 'assigned' and result.dimension = 'all'
),

-- Only what is read once, or by repeated intervals, shows the absence of harm.
goal as (
    select
        *,
        asks_for_no_harm and basis in ('sequential', 'fixed') and coalesce(is_non_inferior, false) as is_not_worse,
        side <> 0 and estimate_side <> side as has_turned
    from judged
),

stated as (
    select
        *,
        (side < 0 or is_harm_outside_plan) and not is_not_worse as is_worse,
        side > 0 and not has_turned as is_better,
        -- The interval of the method that decides, on both scales. A test that may be read every day has none of the lift.
        {%- for limit in ['low', 'high'] %}
        case basis
            when 'sequential' then sequential_ci_{{ limit }}
            when 'always_valid' then always_valid_ci_{{ limit }}
            else effect_ci_{{ limit }}
        end as own_{{ limit }},
        case basis
            when 'sequential' then look_lift_ci_{{ limit }}
            when 'always_valid' then null
            else lift_ci_{{ limit }}
        end as own_lift_{{ limit }},
        {%- endfor %}
        -- Intervals are not corrected: they go with the test of this comparison alone.
        coalesce(p_value <= alpha, false) as excludes_zero
    from goal
),

scaled as (
    select
        *,
        case
            when effect_scale = 'absolute' or lift is null or basis = 'always_valid' or has_no_unit then 'absolute'
            -- Where the lift has no interval (tests by resampling) or no bound (a control near zero), or one that says other
            -- than the test, the difference is told.
            when
                own_low is not null
                and (
                    own_lift_low is null
                    or (own_lift_low = '-infinity' and own_lift_high = 'infinity')
                    or (basis = 'fixed' and (own_lift_low > 0 or own_lift_high < 0) <> excludes_zero)
                ) then 'absolute'
            else 'relative'
        end as shown_scale
    from stated
),

shown as (
    select
        *,
        case shown_scale when 'absolute' then own_low else own_lift_low end as limit_low,
        case shown_scale when 'absolute' then own_high else own_lift_high end as limit_high
    from scaled
)

select
    exp_id,
    metric_id,
    variant_id,
    -- What decides speaks first: a loss, what has no test, what is not shown, what is too small.
    row_number() over (
        partition by exp_id, variant_id
        order by
            case
                when is_worse and not has_turned then -1
                when is_worse then 0
                when status <> 'ok' then 1
                when not (is_better or is_not_worse) then 2
                when mde is not null and not coalesce(is_practical, false) then 3
                else 4
            end,
            metric_id
    ) as place,
    row_number() over (partition by exp_id, variant_id order by metric_id) as place_by_name,
    n_control,
    n_treatment,
    maturity_share,
    estimator,
    status,
    mean_control,
    mean_treatment,
    effect,
    effect_scale,
    lift,
    own_lift_low,
    own_lift_high,
    standing_p_value,
    coalesce(p_value_adjusted <> p_value and basis = 'fixed', false) as is_corrected,
    mde,
    non_inferiority_margin,
    basis,
    status = 'ok' as is_tested,
    is_worse,
    is_better,
    is_not_worse,
    has_turned,
    is_harm_outside_plan and is_worse and side = 0 as is_harm_outside_plan,
    mde is null or has_no_unit or coalesce(is_practical, false) as is_practical,
    coalesce(not is_practical, false) as is_impractical,
    has_no_unit,
    basis in ('sequential', 'always_valid') and is_worse as has_crossed_worse,
    basis in ('sequential', 'always_valid') and is_better as has_crossed_better,
    sequential_method,
    crossed_on,
    look_statistic,
    look_boundary,
    crossing_statistic,
    crossing_boundary,
    crossing_fraction,
    crossing_effect,
    shown_scale,
    -- A limit on the wrong side of zero would contradict the p-value beside it: then the interval is left out.
    {%- for limit in ['low', 'high'] %}
    case
        when basis = 'fixed' and (limit_low > 0 or limit_high < 0) <> excludes_zero then null
        else limit_{{ limit }}
    end as shown_{{ limit }},
    {%- endfor %}
    coalesce(basis = 'fixed' and (limit_low > 0 or limit_high < 0) <> excludes_zero, false) as is_interval_left_out
from shown
