{{ config(
    enabled=var('test_facts') if var('test_facts') is not none else var('demo', project_name == 'dbt_experiments')
) }}
-- Mean times n in the moments is the plain sum over the mature units: merging blocks of zeros and running sums lost nothing.
-- Units without facts add nothing to a sum, except where a threshold or a cap lifts the zero: those metrics are left out.

with summed as (
    select
        unit.plan_key,
        unit.variant_id,
        sum(unit.numerator) as numerator,
        sum(abs(unit.numerator)) as numerator_size,
        sum(unit.denominator) as denominator,
        sum(unit.covariate) as covariate,
        sum(abs(unit.covariate)) as covariate_size
    from {{ ref('experiments__unit_metric') }} as unit
    inner join {{ ref('experiments__analysis_date') }} as clock on unit.mature_on <= clock.as_of
    group by unit.plan_key, unit.variant_id
)

select
    moment.exp_id,
    moment.metric_id,
    moment.variant_id,
    moment.n * moment.mean_numerator as numerator_of_moments,
    summed.numerator,
    moment.n * moment.mean_denominator as denominator_of_moments,
    summed.denominator,
    moment.n * moment.mean_covariate as covariate_of_moments,
    summed.covariate
from {{ ref('experiments__metric_moment') }} as moment
inner join {{ ref('experiments__plan_metric') }} as plan on moment.plan_key = plan.plan_key
left join {{ ref('experiments__metric_cap') }} as cap on moment.plan_key = cap.plan_key
left join summed on moment.plan_key = summed.plan_key and moment.variant_id = summed.variant_id
where
    plan.value_without_facts = 0
    and coalesce(cap.cap_lower, 0) <= 0
    and coalesce(cap.cap_upper, 0) >= 0
    and (
        abs(moment.n * moment.mean_numerator - coalesce(summed.numerator, 0))
        > 1e-9 * (1 + coalesce(summed.numerator_size, 0))
        or abs(moment.n * moment.mean_denominator - coalesce(summed.denominator, 0))
        > 1e-9 * (1 + abs(coalesce(summed.denominator, 0)))
        or abs(moment.n * moment.mean_covariate - coalesce(summed.covariate, 0))
        > 1e-9 * (1 + coalesce(summed.covariate_size, 0))
    )
