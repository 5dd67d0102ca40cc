-- How many units would the next experiment on a metric need? For each metric that has been measured, the control's value and
-- spread per unit, and the units in each of two equal arms that a two-sided test at 5 % needs for lifts of 1, 2, 5 and 10 %
-- with a power of 80 %: n = 2 * (1.960 + 0.842)^2 * variance / (lift * mean)^2. The variance is that of the headline, so
-- covariates and clusters count as they did; with few clusters the number is optimistic.

with precision_reached as (
    select
        exp_id,
        metric_id,
        variant_id,
        estimator,
        metric_type,
        mean_control,
        effect_se,
        n_control,
        n_treatment,
        variance_reduction,
        -- The variance per unit that two arms of this size would have to have for this standard error.
        effect_se * effect_se / (1.0 / n_control + 1.0 / n_treatment) as variance_per_unit
    from {{ ref('experiment_results') }}
    where
        population = 'assigned' and dimension = 'all'
        and status = 'ok' and mean_control <> 0
),

lifts as (
    select 0.01 as lift
    union all
    select 0.02 as lift
    union all
    select 0.05 as lift
    union all
    select 0.10 as lift
)

select
    precision_reached.metric_id,
    precision_reached.exp_id as measured_in,
    precision_reached.variant_id as compared_with,
    precision_reached.metric_type,
    precision_reached.estimator,
    precision_reached.mean_control,
    sqrt(precision_reached.variance_per_unit) as sd_per_unit,
    precision_reached.variance_reduction,
    lifts.lift,
    ceil(
        2 * power(1.959963985 + 0.841621234, 2) * precision_reached.variance_per_unit
        / power(lifts.lift * precision_reached.mean_control, 2)
    ) as units_per_arm
from precision_reached
cross join lifts
order by precision_reached.metric_id, precision_reached.exp_id, precision_reached.variant_id, lifts.lift
