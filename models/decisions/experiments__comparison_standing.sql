-- What may be said of each primary metric and guardrail although it is read on every day: by which rule, and which side won
-- first, on which look.

with tested as (
    select
        result.*,
        experiment.planned_units,
        clock.is_running,
        -- Bonferroni's count is right for every method that a plan may name, and known at every look.
        case
            when result.correction = 'none' then 1
            else count(result.p_value) over (partition by result.exp_id, result.correction_family)
        end as n_tests,
        case
            when result.sequential_method is not null then 'sequential'
            when
                clock.is_running
                and result.always_valid_p_value is not null
                and (experiment.planned_units is null or result.role = 'guardrail') then 'always_valid'
            when clock.is_running and experiment.planned_units is null then 'none'
            else 'fixed'
        end as basis
    from {{ ref('experiments__result') }} as result
    inner join {{ ref('experiments__experiment') }} as experiment on result.exp_id = experiment.exp_id
    inner join {{ ref('experiments__experiment_clock') }} as clock on result.exp_id = clock.exp_id
    where
        result.role in ('primary', 'guardrail') and result.population = 'assigned' and result.dimension = 'all'
),

look as (
    select
        look.*,
        tested.basis,
        row_number() over (
            partition by look.exp_id, look.metric_id, look.variant_id order by look.look_date desc
        ) as place,
        coalesce(
            case tested.basis when 'sequential' then look.sequential_p_value else look.always_valid_p_value end
            * tested.n_tests <= tested.alpha, false
        ) as is_beyond,
        -- A stepwise correction may let a test pass that Bonferroni's does not.
        coalesce(
            tested.basis = 'sequential'
            and cast(look.look_date as date) >= cast(tested.first_crossed_on as date), false
        ) as is_beyond_uncorrected
    from {{ ref('experiments__look') }} as look
    inner join tested
        on
            look.exp_id = tested.exp_id
            and look.metric_id = tested.metric_id
            and look.variant_id = tested.variant_id
    where look.population = 'assigned' and look.dimension = 'all' and tested.basis in ('sequential', 'always_valid')
),

crossing as (
    select
        *,
        row_number() over (
            partition by exp_id, metric_id, variant_id order by case when is_beyond then 0 else 1 end, look_date
        ) as crossing_place
    from look
    where is_beyond or is_beyond_uncorrected
)

select
    tested.exp_id,
    tested.metric_id,
    tested.variant_id,
    tested.basis,
    tested.n_tests,
    tested.is_running,
    last_look.sequential_statistic as look_statistic,
    last_look.sequential_boundary as look_boundary,
    last_look.sequential_lift_ci_low as look_lift_ci_low,
    last_look.sequential_lift_ci_high as look_lift_ci_high,
    cast(crossing.look_date as date) as crossed_on,
    crossing.sequential_statistic as crossing_statistic,
    crossing.sequential_boundary as crossing_boundary,
    crossing.information_fraction as crossing_fraction,
    crossing.effect as crossing_effect,
    case
        when crossing.look_date is null or (tested.basis = 'sequential' and not coalesce(tested.is_significant, false)) then 0
        when tested.direction = 'decrease' then -sign(crossing.effect)
        else sign(crossing.effect)
    end as crossing_side,
    case tested.basis
        when 'always_valid' then least(1.0, tested.always_valid_p_value * tested.n_tests)
        else tested.p_value_adjusted
    end as standing_p_value
from tested
left join look as last_look
    on
        tested.exp_id = last_look.exp_id
        and tested.metric_id = last_look.metric_id
        and tested.variant_id = last_look.variant_id
        and last_look.place = 1
left join crossing
    on
        tested.exp_id = crossing.exp_id
        and tested.metric_id = crossing.metric_id
        and tested.variant_id = crossing.variant_id
        and crossing.crossing_place = 1
