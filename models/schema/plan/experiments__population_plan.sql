-- The analysis plan once per population, each planned metric with a key of its own in each: what works by these keys takes
-- populations for different metrics and need not know of them.

select
    -- The assigned come first: their keys are those of `experiment_metric`, whatever populations stand beside them.
    cast(
        row_number() over (
            order by case population.population when 'assigned' then 0 else 1 end, plan.plan_key, population.population
        ) as integer
    ) as plan_key,
    plan.plan_key as assigned_plan_key,
    plan.exp_id,
    population.population,
    population.population_key,
    population.is_clustered,
    plan.metric_id,
    plan.role,
    plan.mde,
    plan.non_inferiority_margin,
    plan.benchmark,
    plan.effect_scale,
    plan.alternative,
    plan.estimator,
    plan.issue
from {{ ref('experiments__experiment_metric') }} as plan
inner join {{ ref('experiments__experiment_population') }} as population on plan.exp_id = population.exp_id
