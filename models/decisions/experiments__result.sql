{{ config(materialized='table') }}
-- The result of every planned comparison: the headline estimate, the unadjusted one beside it, and what the plan says of it.

with headline as (
    select * from {{ ref('experiments__effect') }} where is_headline
),

-- Where a sequential plan was monitored, its interval is the one that holds at this look.
deciding as (
    select
        exp_id,
        metric_id,
        variant_id,
        population,
        dimension,
        segment,
        effect,
        lift,
        {%- for limit in ['ci_low', 'ci_high'] %}
        case when sequential_p_value is null then effect_{{ limit }} else sequential_{{ limit }} end as effect_{{ limit }},
        -- A method whose lift has no interval is judged by that of its difference.
        coalesce(
            case when sequential_p_value is null then lift_{{ limit }} else sequential_lift_{{ limit }} end,
            case when sequential_p_value is null then effect_{{ limit }} / nullif(abs(mean_control), 0) end
        ) as lift_{{ limit }}{{ ',' if not loop.last }}
        {%- endfor %}
    from headline
),

unadjusted as (
    select * from {{ ref('experiments__effect') }} where is_unadjusted
),

posterior as (
    select * from {{ ref('experiments__effect') }} where estimator = 'bayes'
),

everyone as (
    select
        exp_id,
        'assigned' as population,
        variant_id,
        sum(n_units) as n_units
    from {{ ref('experiments__assignment_count') }}
    group by exp_id, variant_id

    union all

    select
        exp_id,
        'exposed' as population,
        variant_id,
        sum(n_units) as n_units
    from {{ ref('experiments__exposure_count') }}
    group by exp_id, variant_id
),

plan as (
    select
        comparison.exp_id,
        comparison.metric_id,
        comparison.variant_id,
        comparison.population,
        comparison.dimension,
        comparison.segment,
        comparison.control_variant_id,
        comparison.role,
        comparison.alternative,
        comparison.effect_scale,
        comparison.mde,
        comparison.non_inferiority_margin,
        comparison.alpha,
        coalesce(metric.direction, 'increase') as direction
    from {{ ref('experiments__comparison') }} as comparison
    left join {{ ref('experiments__metric') }} as metric on comparison.metric_id = metric.metric_id
),

judged as (
    select
        headline.*,
        plan.control_variant_id,
        plan.role,
        plan.alternative,
        plan.effect_scale,
        plan.direction,
        plan.alpha,
        plan.mde,
        plan.non_inferiority_margin,
        unadjusted.effect as effect_unadjusted,
        unadjusted.effect_se as effect_unadjusted_se,
        unadjusted.p_value as p_value_unadjusted,
        case plan.direction
            when 'decrease' then posterior.probability_less else posterior.probability_greater
        end as probability_better,
        case plan.direction when 'decrease' then posterior.loss_keep else posterior.loss_ship end as expected_loss,
        (headline.n_control + headline.n_treatment)
        / nullif(coalesce(control.n_units, 0) + coalesce(treatment.n_units, 0), 0) as maturity_share,
        {{ dbt_experiments.good_side('plan.effect_scale', 'plan.direction', 'deciding') }}
    from headline
    inner join plan
        on {{ dbt_experiments.same_comparison('headline', 'plan') }}
    inner join deciding
        on {{ dbt_experiments.same_comparison('headline', 'deciding') }}
    left join unadjusted
        on {{ dbt_experiments.same_comparison('headline', 'unadjusted') }}
    left join posterior
        on {{ dbt_experiments.same_comparison('headline', 'posterior') }}
    left join everyone as control
        on
            plan.exp_id = control.exp_id
            and plan.control_variant_id = control.variant_id
            and plan.population = control.population
    left join everyone as treatment
        on
            plan.exp_id = treatment.exp_id
            and plan.variant_id = treatment.variant_id
            and plan.population = treatment.population
)

select
    judged.*,
    case judged.alternative
        when 'greater' then 'effect <= 0'
        when 'less' then 'effect >= 0'
        else 'effect = 0'
    end as tested_hypothesis,
    case
        -- The effect of a rank test is a probability; margins are in the metric's unit.
        when judged.estimator in {{ dbt_experiments.words_of('estimator_without_unit') }} or judged.mde is null then null
        when judged.good_high < judged.mde then false
        when judged.is_significant and judged.good_estimate >= judged.mde then true
    end as is_practical,
    case
        when judged.estimator in {{ dbt_experiments.words_of('estimator_without_unit') }} then null
        when judged.non_inferiority_margin is null or judged.good_low is null then null
        else judged.good_low > -judged.non_inferiority_margin
    end as is_non_inferior,
    clock.as_of
from judged
cross join {{ ref('experiments__analysis_date') }} as clock
