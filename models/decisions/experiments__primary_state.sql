-- What the rule asks of each primary metric, and what the sentence shows of it: the estimate, how far monitoring has come, and
-- the interval on the scale that it is told on.

with look as (
    select
        *,
        row_number() over (partition by exp_id, metric_id, variant_id order by look_date desc) as place
    from {{ ref('experiments__look') }}
    where sequential_method is not null and population = 'assigned' and dimension = 'all'
),

monitored as (
    select
        result.*,
        look.sequential_statistic as look_statistic,
        look.sequential_boundary as look_boundary,
        look.sequential_lift_ci_low as look_lift_ci_low,
        look.sequential_lift_ci_high as look_lift_ci_high,
        crossing.sequential_statistic as crossing_statistic,
        crossing.sequential_boundary as crossing_boundary,
        crossing.information_fraction as crossing_fraction,
        -- A crossing that later data have turned round is no reason to stop.
        coalesce(result.is_significant and sign(crossing.effect) = sign(result.effect), false) as has_crossed,
        -- Where the lift has no interval (tests by resampling) or no bound (a control near zero), the difference is told.
        case
            when
                result.effect_scale = 'absolute'
                or result.lift is null
                or (
                    result.sequential_method is null
                    and result.effect_ci_low is not null
                    and (
                        result.lift_ci_low is null
                        or (result.lift_ci_low = '-infinity' and result.lift_ci_high = 'infinity')
                    )
                ) then 'absolute'
            else 'relative'
        end as shown_scale
    from {{ ref('experiments__result') }} as result
    left join look
        on
            result.exp_id = look.exp_id
            and result.metric_id = look.metric_id
            and result.variant_id = look.variant_id
            and look.place = 1
    left join look as crossing
        on
            result.exp_id = crossing.exp_id
            and result.metric_id = crossing.metric_id
            and result.variant_id = crossing.variant_id
            and result.first_crossed_on = crossing.look_date
    where result.role = 'primary' and result.population = 'assigned' and result.dimension = 'all'
)

select
    exp_id,
    metric_id,
    variant_id,
    row_number() over (partition by exp_id, variant_id order by metric_id) as place,
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
    lift_ci_low,
    lift_ci_high,
    p_value_adjusted,
    mde,
    status = 'ok' as is_tested,
    coalesce(is_significant and good_estimate < 0, false) as is_worse,
    coalesce(is_significant and good_estimate > 0, false) as is_better,
    mde is null or coalesce(is_practical, false) as is_practical,
    coalesce(not is_practical, false) as is_impractical,
    has_crossed and coalesce(good_estimate < 0, false) as has_crossed_worse,
    has_crossed and coalesce(good_estimate > 0, false) as has_crossed_better,
    sequential_method,
    cast(first_crossed_on as date) as first_crossed_on,
    look_statistic,
    look_boundary,
    crossing_statistic,
    crossing_boundary,
    crossing_fraction,
    shown_scale,
    {%- for side in ['low', 'high'] %}
    case
        when sequential_method is null and shown_scale = 'absolute' then effect_ci_{{ side }}
        when sequential_method is null then lift_ci_{{ side }}
        when shown_scale = 'absolute' then sequential_ci_{{ side }}
        else look_lift_ci_{{ side }}
    end as shown_{{ side }}{{ ',' if not loop.last }}
    {%- endfor %}
from monitored
