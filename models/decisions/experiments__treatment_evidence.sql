-- Every fact about a treatment that the rule of decisions asks for or that the sentence shows, in one row: nothing is decided
-- here.

with experiment as (
    select
        experiment.exp_id,
        experiment.name,
        experiment.control_variant_id,
        experiment.n_variants,
        experiment.config_issue,
        experiment.min_duration_days,
        experiment.planned_units,
        clock.is_running,
        clock.days_run,
        clock.as_of
    from {{ ref('experiments__experiment') }} as experiment
    inner join {{ ref('experiments__experiment_clock') }} as clock on experiment.exp_id = clock.exp_id
),

treatment as (
    select
        experiment.exp_id,
        variant.variant_id
    from experiment
    inner join {{ ref('experiments__variant') }} as variant on experiment.exp_id = variant.exp_id
    where experiment.control_variant_id is null or variant.variant_id <> experiment.control_variant_id

    union all

    -- An experiment without a treatment still has its row.
    select
        exp_id,
        '(none)' as variant_id
    from experiment
    where n_variants = case when control_variant_id is null then 0 else 1 end
),

primary_metric as (
    select * from {{ ref('experiments__primary_state') }}
),

-- Several primary metrics: the first by name speaks in the sentence, all of them decide.
spoken as (
    select * from primary_metric where place = 1
),

primaries as (
    select
        exp_id,
        variant_id,
        min(case when is_tested then 1 else 0 end) = 1 as is_tested,
        max(case when is_worse then 1 else 0 end) = 1 as is_worse,
        min(case when is_better then 1 else 0 end) = 1 as is_better,
        min(case when is_practical then 1 else 0 end) = 1 as is_practical,
        max(case when is_impractical then 1 else 0 end) = 1 as is_impractical,
        max(case when has_crossed_worse then 1 else 0 end) = 1
        or min(case when has_crossed_better then 1 else 0 end) = 1 as has_crossed
    from primary_metric
    group by exp_id, variant_id
),

guardrails as (
    select
        exp_id,
        variant_id,
        count(*) as n_guardrails,
        count(case when is_violated then 1 end) as n_violated,
        count(case when is_undecided then 1 end) as n_undecided,
        {{ dbt.listagg("case when is_violated then metric_id end", "', '", 'order by metric_id') }} as failed_guardrails,
        {{ dbt.listagg("case when is_undecided then metric_id end", "', '", 'order by metric_id') }}
            as undecided_guardrails
    from {{ ref('experiments__guardrail_state') }}
    group by exp_id, variant_id
),

assigned as (
    select
        exp_id,
        sum(n_units) as n_units
    from {{ ref('experiments__assignment_count') }}
    group by exp_id
),

mature as (
    select
        exp_id,
        max(n_control) + sum(n_treatment) as n_units
    from spoken
    group by exp_id
),

gathered as (
    select
        treatment.exp_id,
        treatment.variant_id,
        experiment.name,
        experiment.control_variant_id,
        experiment.config_issue,
        experiment.min_duration_days,
        experiment.planned_units,
        experiment.is_running,
        experiment.days_run,
        experiment.as_of,
        health.health_status,
        health.first_failure,
        health.health_concerns,
        coalesce(assigned.n_units, 0) as n_assigned,
        coalesce(mature.n_units, 0) as n_mature,
        coalesce(primaries.is_tested, false) as is_tested,
        coalesce(primaries.is_worse, false) as is_worse,
        coalesce(primaries.is_better, false) as is_better,
        coalesce(primaries.is_practical, false) as is_practical,
        coalesce(primaries.is_impractical, false) as is_impractical,
        coalesce(primaries.has_crossed, false) as has_crossed,
        coalesce(guardrails.n_guardrails, 0) as n_guardrails,
        coalesce(guardrails.n_violated, 0) as n_violated,
        coalesce(guardrails.n_undecided, 0) as n_undecided,
        guardrails.failed_guardrails,
        guardrails.undecided_guardrails,
        spoken.metric_id as primary_metric,
        spoken.status as primary_status,
        spoken.estimator as primary_estimator,
        spoken.maturity_share,
        spoken.mean_control,
        spoken.mean_treatment,
        spoken.effect,
        spoken.effect_scale,
        spoken.lift,
        spoken.lift_ci_low,
        spoken.lift_ci_high,
        spoken.p_value_adjusted,
        spoken.mde,
        spoken.sequential_method,
        spoken.first_crossed_on,
        spoken.look_statistic,
        spoken.look_boundary,
        spoken.crossing_statistic,
        spoken.crossing_boundary,
        spoken.crossing_fraction,
        spoken.shown_scale,
        spoken.shown_low,
        spoken.shown_high,
        precision_of.n_needed,
        precision_of.days_still_needed,
        precision_of.mde_now
    from treatment
    inner join experiment on treatment.exp_id = experiment.exp_id
    left join {{ ref('experiments__health_state') }} as health on treatment.exp_id = health.exp_id
    left join assigned on treatment.exp_id = assigned.exp_id
    left join mature on treatment.exp_id = mature.exp_id
    left join primaries on treatment.exp_id = primaries.exp_id and treatment.variant_id = primaries.variant_id
    left join guardrails on treatment.exp_id = guardrails.exp_id and treatment.variant_id = guardrails.variant_id
    left join spoken on treatment.exp_id = spoken.exp_id and treatment.variant_id = spoken.variant_id
    left join {{ ref('experiments__comparison_precision') }} as precision_of
        on
            spoken.exp_id = precision_of.exp_id
            and spoken.metric_id = precision_of.metric_id
            and spoken.variant_id = precision_of.variant_id
)

select
    *,
    coalesce(is_running and days_run < min_duration_days, false) as is_before_minimum_duration,
    coalesce(n_mature < planned_units, false) as is_short_of_units,
    is_running
    and (
        coalesce(n_mature < planned_units, false)
        -- A method without a planned end goes on until it is ended.
        or (planned_units is null and sequential_method is not null)
    ) as is_incomplete,
    case
        when not is_running then 0
        when days_run < min_duration_days
            then greatest(min_duration_days - days_run, coalesce(days_still_needed, 0))
        else days_still_needed
    end as days_left
from gathered
