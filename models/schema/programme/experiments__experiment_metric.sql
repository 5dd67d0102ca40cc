-- The analysis plan: which metrics each experiment is judged by, in which role, with the key that the facts carry.

with experiment as (
    select
        exp_id,
        primary_kpi
    from {{ ref('experiments__experiment') }}
),

planned as (
    select
        plan.*,
        coalesce(
            lower(plan.role), case when plan.metric_id = experiment.primary_kpi then 'primary' else 'secondary' end
        ) as given_role,
        {{ dbt_experiments.occurrence('experiment_metric', 'plan') }} as occurrence
    from {{ ref('experiments__input_experiment_metric') }} as plan
    inner join experiment on plan.exp_id = experiment.exp_id
    where plan.metric_id is not null
),

-- Without a plan, an experiment is judged by every metric whose kpis it has.
available as (
    select distinct
        experiment.exp_id,
        metric.metric_id
    from experiment
    inner join {{ ref('experiments__kpi_profile') }} as numerator
        on numerator.exp_id = experiment.exp_id or numerator.input = 'kpi_event'
    inner join {{ ref('experiments__metric') }} as metric on numerator.kpi_name = metric.numerator_kpi
    left join {{ ref('experiments__kpi_profile') }} as denominator
        on
            metric.denominator_kpi = denominator.kpi_name
            and (denominator.exp_id = experiment.exp_id or denominator.input = 'kpi_event')
    where
        experiment.exp_id not in (select exp_id from planned)
        and (metric.denominator_kpi is null or denominator.kpi_name is not null)
),

plan as (
    select
        exp_id,
        metric_id,
        given_role as role,
        mde,
        non_inferiority_margin,
        benchmark,
        lower(effect_scale) as effect_scale,
        lower(alternative) as alternative,
        lower(estimator) as estimator
    from planned
    where occurrence = 1

    union all

    select
        available.exp_id,
        available.metric_id,
        'secondary' as role,
        null as mde,
        null as non_inferiority_margin,
        null as benchmark,
        'relative' as effect_scale,
        'two_sided' as alternative,
        null as estimator
    from available
    inner join experiment on available.exp_id = experiment.exp_id
    where available.metric_id <> coalesce(experiment.primary_kpi, '')

    union all

    -- The primary metric is always planned, also where nobody ever saw its kpi: a typo must show, not vanish.
    select
        experiment.exp_id,
        experiment.primary_kpi as metric_id,
        'primary' as role,
        null as mde,
        null as non_inferiority_margin,
        null as benchmark,
        'relative' as effect_scale,
        'two_sided' as alternative,
        null as estimator
    from experiment
    where
        experiment.primary_kpi is not null
        and not exists (
            select 1 from planned
            where
                planned.exp_id = experiment.exp_id
                and (planned.given_role = 'primary' or planned.metric_id = experiment.primary_kpi)
        )
)

select
    cast(row_number() over (order by plan.exp_id, plan.metric_id) as integer) as plan_key,
    plan.exp_id,
    plan.metric_id,
    plan.role,
    plan.mde,
    plan.non_inferiority_margin,
    plan.benchmark,
    plan.effect_scale,
    plan.alternative,
    plan.estimator,
    case
        when metric.metric_id is null then 'unknown_metric'
        when metric.issue is not null then metric.issue
        when plan.role not in {{ dbt_experiments.words_of('role') }} then 'unknown_role'
        when plan.effect_scale not in {{ dbt_experiments.words_of('effect_scale') }}
            then 'unknown_effect_scale'
        when plan.alternative not in {{ dbt_experiments.words_of('alternative') }}
            then 'unknown_alternative'
        when plan.estimator not in {{ dbt_experiments.words_of('estimator') }} then 'unknown_estimator'
        when plan.mde <= 0 or plan.non_inferiority_margin <= 0 then 'bad_margin'
        when {{ dbt_experiments.kpi_is_missing('metric.numerator_kpi') }} then 'unknown_kpi'
        when
            metric.denominator_kpi is not null
            and {{ dbt_experiments.kpi_is_missing('metric.denominator_kpi') }} then 'unknown_kpi'
    end as issue
from plan
left join {{ ref('experiments__metric') }} as metric on plan.metric_id = metric.metric_id
