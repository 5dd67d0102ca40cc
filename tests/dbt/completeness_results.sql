-- Every experiment x planned metric x treatment appears exactly once for each population as a whole, with numbers or with the
-- reason why there are none: the assigned always, the exposed where a unit was exposed. Told from the inputs' cleaned tables,
-- not from the models that make the results.

with expected as (
    select
        plan.exp_id,
        plan.metric_id,
        population.population,
        variant.variant_id
    from {{ ref('experiments__experiment_metric') }} as plan
    inner join {{ ref('experiments__experiment') }} as experiment on plan.exp_id = experiment.exp_id
    inner join {{ ref('experiments__variant') }} as variant on plan.exp_id = variant.exp_id
    inner join (
        select exp_id, 'assigned' as population from {{ ref('experiments__experiment') }}
        union all
        select distinct exp_id, 'exposed' as population from {{ ref('experiments__exposure') }}
    ) as population on plan.exp_id = population.exp_id
    where experiment.control_variant_id is null or variant.variant_id <> experiment.control_variant_id
),

found as (
    select
        exp_id,
        metric_id,
        population,
        variant_id,
        count(*) as n_rows,
        count(case when status is null or (status = 'ok' and effect is null) then 1 end) as n_unexplained
    from {{ ref('experiment_results') }}
    where dimension = 'all' and segment = 'all'
    group by exp_id, metric_id, population, variant_id
)

select
    coalesce(expected.exp_id, found.exp_id) as exp_id,
    coalesce(expected.metric_id, found.metric_id) as metric_id,
    coalesce(expected.population, found.population) as population,
    coalesce(expected.variant_id, found.variant_id) as variant_id,
    case
        when found.exp_id is null then 'missing'
        when expected.exp_id is null then 'not planned'
        when found.n_rows > 1 then 'more than once'
        else 'neither a number nor a reason'
    end as problem
from expected
full outer join found
    on
        expected.exp_id = found.exp_id
        and expected.metric_id = found.metric_id
        and expected.population = found.population
        and expected.variant_id = found.variant_id
where found.exp_id is null or expected.exp_id is null or found.n_rows > 1 or found.n_unexplained > 0
