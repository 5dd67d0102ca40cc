-- What to do with each treatment, and why in one sentence. Decisions are read off the results and the health checks by fixed
-- rules (docs/decisions.md); nothing is computed here that a reader cannot check in the other marts.

with experiment as (
    select
        experiment.*,
        clock.as_of,
        experiment.end_time is null or cast(experiment.end_time as date) > clock.as_of as is_running,
        {{ dbt_experiments.day_offset(
            'cast(experiment.start_time as date)',
            'case when cast(experiment.end_time as date) < clock.as_of then cast(experiment.end_time as date) '
            ~ 'else clock.as_of end') }} as days_run
    from {{ ref('experiments__experiment') }} as experiment
    cross join {{ ref('experiments__analysis_date') }} as clock
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

health as (
    select
        exp_id,
        case
            when max(case when status = 'fail' then 1 else 0 end) = 1 then 'fail'
            when max(case when status = 'warn' then 1 else 0 end) = 1 then 'warn'
            else 'pass'
        end as health_status,
        max(case when status = 'fail' and place = 1 then message end) as first_failure,
        {{ dbt.listagg("case when status in ('fail', 'warn') then check_name end", "', '", 'order by check_name') }}
            as health_concerns
    from (
        select
            *,
            row_number() over (
                partition by exp_id, status
                order by case check_name when 'configuration' then 0 when 'srm' then 1 else 2 end, check_name
            ) as place
        from {{ ref('experiment_health') }}
    ) as ranked
    group by exp_id
),

look as (
    select
        *,
        row_number() over (partition by exp_id, metric_id, variant_id order by look_date desc) as place
    from {{ ref('experiment_results_daily') }}
    where sequential_method is not null and population = 'assigned' and dimension = 'all'
),

result as (
    select
        results.*,
        look.sequential_statistic as look_statistic,
        look.sequential_boundary as look_boundary,
        look.sequential_lift_ci_low as look_lift_ci_low,
        look.sequential_lift_ci_high as look_lift_ci_high,
        crossing.sequential_statistic as crossing_statistic,
        crossing.sequential_boundary as crossing_boundary,
        crossing.information_fraction as crossing_fraction,
        -- A crossing that later data have turned round is no reason to stop.
        coalesce(results.is_significant and sign(crossing.effect) = sign(results.effect), false) as has_crossed,
        {{ dbt_experiments.good_side('effect_scale', 'direction', 'results') }}
    from {{ ref('experiment_results') }} as results
    left join look
        on
            results.exp_id = look.exp_id
            and results.metric_id = look.metric_id
            and results.variant_id = look.variant_id
            and look.place = 1
    left join look as crossing
        on
            results.exp_id = crossing.exp_id
            and results.metric_id = crossing.metric_id
            and results.variant_id = crossing.variant_id
            and results.first_crossed_on = crossing.look_date
    where results.population = 'assigned' and results.dimension = 'all'
),

-- Several primary metrics: the first by name speaks in the sentence, all of them decide.
primary_result as (
    select
        *,
        row_number() over (partition by exp_id, variant_id order by metric_id) as place,
        count(*) over (partition by exp_id, variant_id) as n_primaries,
        min(case when status = 'ok' then 1 else 0 end) over (partition by exp_id, variant_id) as all_tested,
        max(case when is_significant and good_estimate < 0 then 1 else 0 end)
            over (partition by exp_id, variant_id) as any_worse,
        min(case when is_significant and good_estimate > 0 then 1 else 0 end)
            over (partition by exp_id, variant_id) as all_better,
        max(case when has_crossed and good_estimate < 0 then 1 else 0 end)
            over (partition by exp_id, variant_id) as any_crossed_worse,
        min(case when has_crossed and good_estimate > 0 then 1 else 0 end)
            over (partition by exp_id, variant_id) as all_crossed_better,
        max(case when is_practical = false then 1 else 0 end) over (partition by exp_id, variant_id) as any_impractical,
        min(case when mde is null or is_practical then 1 else 0 end)
            over (partition by exp_id, variant_id) as all_practical
    from result
    where role = 'primary'
),

guardrail as (
    select
        exp_id,
        variant_id,
        count(*) as n_guardrails,
        count(case when is_violated then 1 end) as n_violated,
        count(case when is_undecided then 1 end) as n_undecided,
        {{ dbt.listagg("case when is_violated then metric_id end", "', '", 'order by metric_id') }} as failed_guardrails,
        {{ dbt.listagg("case when is_undecided then metric_id end", "', '", 'order by metric_id') }}
            as undecided_guardrails
    from (
        select
            exp_id,
            variant_id,
            metric_id,
            -- Violated: shown to be worse, and not shown to be worse by less than the margin.
            coalesce(is_significant and good_estimate < 0, false)
            and not coalesce(is_non_inferior, false) as is_violated,
            status <> 'ok'
            or (
                non_inferiority_margin is not null
                and not coalesce(is_non_inferior, false)
                and not coalesce(is_significant and good_estimate < 0, false)
            ) as is_undecided
        from result
        where role = 'guardrail'
    ) as judged
    group by exp_id, variant_id
),

sample as (
    select
        exp_id,
        sum(n_units) as n_assigned
    from {{ ref('experiments__assignment_count') }}
    group by exp_id
),

mature as (
    select
        results.exp_id,
        max(results.n_control) + sum(results.n_treatment) as n_mature
    from primary_result as results
    where results.place = 1
    group by results.exp_id
),

gathered as (
    select
        treatment.exp_id,
        treatment.variant_id,
        experiment.name,
        experiment.control_variant_id,
        experiment.is_running,
        experiment.days_run,
        experiment.min_duration_days,
        experiment.max_duration_days,
        experiment.planned_units,
        experiment.config_issue,
        experiment.as_of,
        coalesce(sample.n_assigned, 0) as n_assigned,
        coalesce(mature.n_mature, 0) as n_mature,
        health.health_status,
        health.first_failure,
        health.health_concerns,
        primary_result.metric_id as primary_metric,
        primary_result.metric_type,
        primary_result.status as primary_status,
        primary_result.estimator as primary_estimator,
        primary_result.n_primaries,
        primary_result.all_tested,
        primary_result.any_worse,
        primary_result.all_better,
        coalesce(primary_result.any_crossed_worse = 1 or primary_result.all_crossed_better = 1, false) as may_stop,
        experiment.is_running
        and (
            coalesce(coalesce(mature.n_mature, 0) < experiment.planned_units, false)
            -- A method without a planned end goes on until it is ended.
            or (experiment.planned_units is null and primary_result.sequential_method is not null)
        ) as is_incomplete,
        primary_result.any_impractical,
        primary_result.all_practical,
        primary_result.mean_control,
        primary_result.mean_treatment,
        primary_result.effect,
        primary_result.effect_ci_low,
        primary_result.effect_ci_high,
        primary_result.lift,
        primary_result.lift_ci_low,
        primary_result.lift_ci_high,
        primary_result.sequential_method,
        primary_result.first_crossed_on,
        primary_result.look_statistic,
        primary_result.look_boundary,
        primary_result.crossing_statistic,
        primary_result.crossing_boundary,
        primary_result.crossing_fraction,
        case when primary_result.sequential_method is null then 'interval' else 'sequential interval' end as interval_name,
        -- Where the lift has no interval (tests by resampling) or no bound (a control near zero), the difference is told.
        {%- set absolute %}(
            primary_result.effect_scale = 'absolute'
            or primary_result.lift is null
            or (
                primary_result.sequential_method is null
                and primary_result.effect_ci_low is not null
                and (
                    primary_result.lift_ci_low is null
                    or (primary_result.lift_ci_low = '-infinity' and primary_result.lift_ci_high = 'infinity')
                )
            )
        ){% endset %}
        case when {{ absolute }} then 'absolute' else 'relative' end as shown_scale,
        {%- for side in ['low', 'high'] %}
        case
            when primary_result.sequential_method is null and {{ absolute }} then primary_result.effect_ci_{{ side }}
            when primary_result.sequential_method is null then primary_result.lift_ci_{{ side }}
            when {{ absolute }} then primary_result.sequential_ci_{{ side }}
            else primary_result.look_lift_ci_{{ side }}
        end as shown_{{ side }},
        {%- endfor %}
        primary_result.p_value,
        primary_result.p_value_adjusted,
        primary_result.mde,
        primary_result.effect_scale,
        primary_result.alpha,
        primary_result.maturity_share,
        coalesce(guardrail.n_guardrails, 0) as n_guardrails,
        coalesce(guardrail.n_violated, 0) as n_violated,
        coalesce(guardrail.n_undecided, 0) as n_undecided,
        guardrail.failed_guardrails,
        guardrail.undecided_guardrails,
        precision_of.n_needed,
        precision_of.days_still_needed,
        precision_of.mde_now
    from treatment
    inner join experiment on treatment.exp_id = experiment.exp_id
    left join health on treatment.exp_id = health.exp_id
    left join primary_result
        on
            treatment.exp_id = primary_result.exp_id
            and treatment.variant_id = primary_result.variant_id
            and primary_result.place = 1
    left join guardrail on treatment.exp_id = guardrail.exp_id and treatment.variant_id = guardrail.variant_id
    left join sample on treatment.exp_id = sample.exp_id
    left join mature on treatment.exp_id = mature.exp_id
    left join {{ ref('experiment_power') }} as precision_of
        on
            primary_result.exp_id = precision_of.exp_id
            and primary_result.metric_id = precision_of.metric_id
            and primary_result.variant_id = precision_of.variant_id
),

decided as (
    select
        *,
        case
            when config_issue is not null or health_status = 'fail' then 'invalid'
            when is_running and days_run < min_duration_days then 'keep_running'
            when is_incomplete and not may_stop then 'keep_running'
            when coalesce(any_worse, 0) = 1 or n_violated > 0 then 'do_not_ship'
            when coalesce(all_tested, 0) = 0 then case when is_running then 'keep_running' else 'inconclusive' end
            when all_better = 1 and any_impractical = 1 then 'not_practical'
            when all_better = 1 and all_practical = 1 and n_undecided = 0 then 'ship'
            when is_incomplete then 'keep_running'
            else 'inconclusive'
        end as decision,
        case
            when sequential_method is not null and is_incomplete and may_stop then
                coalesce(
                    'on ' || cast(first_crossed_on as {{ dbt.type_string() }}) || ' z = '
                    || {{ dbt_experiments.decimal_text('crossing_statistic', 2) }} || ' crossed the boundary '
                    || {{ dbt_experiments.decimal_text('crossing_boundary', 2) }}
                    || case
                        when crossing_fraction is null then ''
                        else
                            ' with ' || {{ dbt_experiments.decimal_text('100 * crossing_fraction', 0) }}
                            || ' % of the planned units'
                    end,
                    'a sequential boundary was crossed'
                )
        end as crossing,
        case
            when primary_status = 'ok' then
                primary_metric || ' ' || {{ dbt_experiments.number_text('mean_treatment') }} || ' against '
                || {{ dbt_experiments.number_text('mean_control') }} || ' in ' || control_variant_id || ': '
                || case shown_scale
                    when 'absolute' then
                        'difference ' || {{ dbt_experiments.number_text('effect') }} || ' ('
                    else {{ dbt_experiments.percent_text('lift') }} || ' ('
                end
                || case
                    when shown_low is null and sequential_method is null then 'no interval'
                    when shown_low is null then interval_name || ' not bounded yet'
                    else interval_name || ' ' ||
                        {%- for side in ['low', 'high'] %}
                        case
                            when shown_{{ side }} in ('infinity', '-infinity') then 'unbounded'
                            when shown_scale = 'absolute' then {{ dbt_experiments.number_text('shown_' ~ side) }}
                            else {{ dbt_experiments.percent_text('shown_' ~ side) }}
                        end
                        {{- " || ' to ' ||" if side == 'low' }}
                        {%- endfor %}
                end
                || ', ' || {{ dbt_experiments.p_text('p_value_adjusted') }}
                || case when primary_estimator like '%cuped%' then ', adjusted for the pre-period' else '' end || ')'
            when primary_metric is null then 'no primary metric is planned'
            else primary_metric || ' has no result: ' || replace(primary_status, '_', ' ')
        end as finding
    from gathered
)

select
    exp_id,
    variant_id,
    name,
    decision,
    case decision
        when 'invalid' then 'Not to be trusted: ' || coalesce(first_failure, replace(config_issue, '_', ' ') || '.')
        when 'keep_running' then
            case
                when days_run < min_duration_days then
                    'Day ' || cast(days_run as {{ dbt.type_string() }}) || ' of at least '
                    || cast(min_duration_days as {{ dbt.type_string() }})
                when crossing is not null then
                    'Before the plan was complete, ' || crossing || ', but '
                    || case
                        when n_undecided > 0 then 'these guardrails are not shown to hold yet: ' || undecided_guardrails
                        else 'it is open whether by as much as matters'
                    end
                when coalesce(n_mature < planned_units, false) then
                    cast(n_mature as {{ dbt.type_string() }}) || ' of ' || cast(planned_units as {{ dbt.type_string() }})
                    || ' planned units have completed their window'
                    || case
                        when first_crossed_on is not null then
                            ', and what crossed the boundary on ' || cast(first_crossed_on as {{ dbt.type_string() }})
                            || ' has not lasted'
                        else
                            coalesce(
                                ', and the boundary is not crossed (z = '
                                || {{ dbt_experiments.decimal_text('look_statistic', 2) }} || ', boundary '
                                || {{ dbt_experiments.decimal_text('look_boundary', 2) }} || ')', ''
                            )
                    end
                when sequential_method is not null and look_statistic is not null then
                    'The boundary is not crossed (z = ' || {{ dbt_experiments.decimal_text('look_statistic', 2) }}
                    || coalesce(', boundary ' || {{ dbt_experiments.decimal_text('look_boundary', 2) }}, '') || ')'
                else 'No unit has completed its window'
            end
            || '; so far, ' || finding || '.'
        when 'do_not_ship' then
            coalesce('Decided before the plan was complete: ' || crossing || '. ', '')
            || case
                when any_worse = 1 then 'Significantly worse: ' || finding
                else 'Guardrail violated (' || failed_guardrails || '); ' || finding
            end
            || case when any_worse = 1 and n_violated > 0 then '; guardrails violated: ' || failed_guardrails else '' end
            || '.'
        when 'not_practical' then
            coalesce('Decided before the plan was complete: ' || crossing || '. ', '')
            || 'Better, but by less than the effect that matters ('
            || case effect_scale
                when 'absolute' then {{ dbt_experiments.number_text('mde') }}
                else {{ dbt_experiments.percent_text('mde') }}
            end || '): ' || finding || '.'
        when 'ship' then
            coalesce('Decided before the plan was complete: ' || crossing || '. ', '')
            || 'Significantly better: ' || finding
            || case
                when n_guardrails = 1 then '; its guardrail held'
                when n_guardrails > 1
                    then '; all ' || cast(n_guardrails as {{ dbt.type_string() }}) || ' guardrails held'
                else ''
            end || '.'
        else
            case
                when all_better = 1 and n_undecided > 0
                    then 'Better, but these guardrails are not shown to hold: ' || undecided_guardrails || '; ' || finding
                when all_better = 1
                    then 'Better, but it is open whether by as much as matters (' || {{ dbt_experiments.percent_text('mde') }}
                        || '): ' || finding
                when coalesce(all_tested, 0) = 0 then 'No test is possible: ' || finding
                else 'No clear difference: ' || finding
            end || '.'
    end as reason,
    health_status,
    health_concerns,
    primary_metric,
    effect as primary_effect,
    lift as primary_lift,
    lift_ci_low as primary_lift_ci_low,
    lift_ci_high as primary_lift_ci_high,
    p_value_adjusted as primary_p_value,
    failed_guardrails,
    undecided_guardrails,
    cast(n_assigned as {{ dbt.type_bigint() }}) as n_assigned,
    cast(n_mature as {{ dbt.type_bigint() }}) as n_mature,
    maturity_share,
    cast(days_run as {{ dbt.type_bigint() }}) as days_run,
    case
        when not is_running then 0
        when days_run < min_duration_days
            then greatest(min_duration_days - days_run, coalesce(days_still_needed, 0))
        else days_still_needed
    end as days_left,
    case decision
        when 'invalid' then 'Find and mend the cause, then start again with new units.'
        when 'keep_running' then 'Wait; look again when the plan is complete.'
        when 'do_not_ship' then 'Keep the control.'
        when 'not_practical' then 'Keep the control, unless the change is wanted for other reasons.'
        when 'ship' then 'Launch the treatment.'
        else
            case
                when n_needed is not null and n_needed > n_mature
                    then 'About ' || cast(n_needed as {{ dbt.type_string() }})
                        || ' units in these two arms would settle it for the planned effect.'
                when mde_now is not null
                    then 'The sample can detect a lift of '
                        || {{ dbt_experiments.percent_text('mde_now') }} || ' or more; a smaller effect needs more units.'
                else 'See experiment_results and experiment_data_issue for what is missing.'
            end
    end as next_step,
    as_of
from decided
