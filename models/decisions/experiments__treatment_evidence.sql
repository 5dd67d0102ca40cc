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
        experiment.max_duration_days,
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

-- Several primary metrics: the one that decides speaks first in the sentence, all of them decide.
spoken as (
    select * from primary_metric where place = 1
),

primaries as (
    select
        exp_id,
        variant_id,
        count(*) as n_primaries,
        min(maturity_share) as maturity_share,
        min(case when is_tested then 1 else 0 end) = 1 as is_tested,
        max(case when is_worse then 1 else 0 end) = 1 as is_worse,
        min(case when is_better then 1 else 0 end) = 1 as is_better,
        -- The goal of a metric with a margin and without an mde is that it is not worse.
        min(case when is_not_worse or (is_better and is_practical) then 1 else 0 end) = 1 as is_not_inferior,
        min(case when is_practical then 1 else 0 end) = 1 as is_practical,
        max(case when is_impractical then 1 else 0 end) = 1 as is_impractical,
        max(case when has_turned then 1 else 0 end) = 1 as has_turned,
        -- A loss that stands needs no word about one that has turned.
        coalesce(min(case when is_worse then case when has_turned then 1 else 0 end end) = 1, false) as has_worse_turned,
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
        count(case when is_stopping then 1 end) as n_stopping,
        count(case when is_undecided then 1 end) as n_undecided,
        {{ dbt.listagg("case when is_violated then metric_id end", "', '", 'order by metric_id') }} as failed_guardrails,
        {{ dbt.listagg("case when is_undecided then metric_id end", "', '", 'order by metric_id') }}
            as undecided_guardrails
    from {{ ref('experiments__guardrail_state') }}
    group by exp_id, variant_id
),

arrival as (
    select
        exp_id,
        assigned_on,
        sum(n_units) as n_units,
        sum(sum(n_units)) over (partition by exp_id order by assigned_on) as n_so_far
    from {{ ref('experiments__assignment_count') }}
    group by exp_id, assigned_on
),

assigned as (
    select
        arrival.exp_id,
        sum(arrival.n_units) as n_units,
        count(*) as n_days,
        max(arrival.assigned_on) as last_on,
        -- The day on which the last of the planned units came.
        min(case when arrival.n_so_far >= experiment.planned_units then arrival.assigned_on end) as planned_on
    from arrival
    inner join experiment on arrival.exp_id = experiment.exp_id
    group by arrival.exp_id
),

-- How many days after its assignment a unit is complete, for the slowest primary metric. A window on events closes at an hour of
-- the day, and is complete at its end.
windows as (
    select
        plan.exp_id,
        max(plan.window_end_day + case when plan.reads_events then 1 else 0 end) as n_days
    from {{ ref('experiments__plan_metric') }} as plan
    inner join (select distinct exp_id, metric_id from primary_metric) as metric
        on plan.exp_id = metric.exp_id and plan.metric_id = metric.metric_id
    where plan.population = 'assigned'
    group by plan.exp_id
),

mature as (
    select
        exp_id,
        max(n_control) + sum(n_treatment) as n_units
    from primary_metric
    where place_by_name = 1
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
        experiment.max_duration_days,
        experiment.planned_units,
        experiment.is_running,
        experiment.days_run,
        experiment.as_of,
        cast({{ dbt_experiments.add_days('assigned.last_on', 'coalesce(windows.n_days, 0)') }} as date) as windows_close_on,
        windows.n_days as window_days,
        assigned.planned_on,
        assigned.n_units * 1.0 / assigned.n_days as units_per_day,
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
        coalesce(primaries.has_turned, false) as has_turned,
        coalesce(primaries.has_worse_turned, false) as has_worse_turned,
        coalesce(primaries.is_not_inferior, false) as is_not_inferior,
        coalesce(primaries.n_primaries, 0) as n_primaries,
        primaries.maturity_share as least_maturity,
        coalesce(guardrails.n_guardrails, 0) as n_guardrails,
        coalesce(guardrails.n_violated, 0) as n_violated,
        coalesce(guardrails.n_stopping, 0) as n_stopping,
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
        spoken.own_lift_low,
        spoken.own_lift_high,
        spoken.standing_p_value,
        spoken.is_corrected,
        spoken.mde,
        spoken.non_inferiority_margin,
        spoken.basis,
        spoken.has_no_unit,
        spoken.is_harm_outside_plan,
        spoken.sequential_method,
        spoken.crossed_on,
        spoken.crossing_effect,
        spoken.look_statistic,
        spoken.look_boundary,
        spoken.crossing_statistic,
        spoken.crossing_boundary,
        spoken.crossing_fraction,
        spoken.shown_scale,
        spoken.shown_low,
        spoken.shown_high,
        spoken.is_interval_left_out,
        precision_of.n_needed,
        precision_of.days_still_needed,
        precision_of.mde_now
    from treatment
    inner join experiment on treatment.exp_id = experiment.exp_id
    left join {{ ref('experiments__health_state') }} as health on treatment.exp_id = health.exp_id
    left join assigned on treatment.exp_id = assigned.exp_id
    left join windows on treatment.exp_id = windows.exp_id
    left join mature on treatment.exp_id = mature.exp_id
    left join primaries on treatment.exp_id = primaries.exp_id and treatment.variant_id = primaries.variant_id
    left join guardrails on treatment.exp_id = guardrails.exp_id and treatment.variant_id = guardrails.variant_id
    left join spoken on treatment.exp_id = spoken.exp_id and treatment.variant_id = spoken.variant_id
    left join {{ ref('experiments__comparison_precision') }} as precision_of
        on
            spoken.exp_id = precision_of.exp_id
            and spoken.metric_id = precision_of.metric_id
            and spoken.variant_id = precision_of.variant_id
),

timed as (
    select
        *,
        coalesce(is_running and days_run < min_duration_days, false) as is_before_minimum_duration,
        coalesce(is_running and days_run >= max_duration_days, false) as is_at_maximum_duration,
        coalesce(n_mature < planned_units, false) as is_short_of_units,
        -- A few stragglers do not hold a decision up.
        coalesce(not is_running and least_maturity < 0.95 and windows_close_on > as_of, false) as is_waiting,
        {{ dbt_experiments.day_offset('as_of', 'windows_close_on') }} as days_to_close,
        case
            when n_mature >= planned_units then 0
            when planned_on is not null
                then greatest({{ dbt_experiments.day_offset('as_of', 'planned_on') }} + coalesce(window_days, 0), 1)
            when planned_units is not null and units_per_day > 0
                then ceil((planned_units - n_assigned) / units_per_day) + coalesce(window_days, 0)
        end as days_to_plan,
        case when max_duration_days > days_run then max_duration_days - days_run when max_duration_days <= days_run then 0 end
            as days_to_maximum
    from gathered
),

wanted as (
    select
        *,
        case
            when is_before_minimum_duration
                then greatest(min_duration_days - days_run, coalesce(days_to_plan, 0))
            else days_to_plan
        end as days_wanted
    from timed
)

select
    *,
    -- Without planned units a running experiment has no day on which a test may be read once.
    is_waiting or (is_running and (planned_units is null or is_short_of_units)) as is_incomplete,
    cast(
        case
            when is_waiting then days_to_close
            when not is_running then 0
            when days_to_maximum <= coalesce(days_wanted, days_to_maximum) then days_to_maximum
            else days_wanted
        end as {{ dbt.type_bigint() }}
    ) as days_left
from wanted
