-- What to do with each treatment, and why in one sentence: the words for what experiments__treatment_decision has decided, one
-- sentence for each reason. Nothing is decided here, and no number is made that a reader cannot check in the other marts.

with guardrail as (
    select
        exp_id,
        variant_id,
        {{ dbt.listagg("words", "'; '", 'order by metric_id') }} as numbers
    from (
        select
            exp_id,
            variant_id,
            metric_id,
            metric_id || ' ' || {{ dbt_experiments.number_text('mean_treatment') }} || ' against '
            || {{ dbt_experiments.number_text('mean_control') }} || ': '
            || case
                when effect_scale = 'absolute' or lift is null then 'difference ' || {{ dbt_experiments.number_text('effect') }}
                else {{ dbt_experiments.percent_text('lift') }}
            end
            || ', '
            || case
                when is_stopping then {{ dbt_experiments.p_text('standing_p_value') }}
                else {{ dbt_experiments.p_text('p_value_adjusted') }}
            end as words
        from {{ ref('experiments__guardrail_state') }}
        where is_violated
    ) as violated
    group by exp_id, variant_id
),

-- The primary metrics that do not speak first.
others as (
    select
        exp_id,
        variant_id,
        {{ dbt.listagg("words", "'; '", 'order by metric_id') }} as numbers
    from (
        select
            exp_id,
            variant_id,
            metric_id,
            metric_id || ' '
            || case
                when status <> 'ok' then 'has no result: ' || replace(status, '_', ' ')
                else
                    case shown_scale
                        when 'absolute' then 'difference ' || {{ dbt_experiments.number_text('effect') }}
                        else {{ dbt_experiments.percent_text('lift') }}
                    end
                    || ', ' || {{ dbt_experiments.p_text('standing_p_value') }}
            end as words
        from {{ ref('experiments__primary_state') }}
        where place > 1
    ) as silent
    group by exp_id, variant_id
),

told as (
    select
        decided.*,
        coalesce(guardrail.numbers, decided.failed_guardrails) as violations,
        coalesce(' Other primary metrics: ' || others.numbers || '.', '') as beside,
        case decided.effect_scale
            when 'absolute' then {{ dbt_experiments.number_text('decided.mde') }}
            else {{ dbt_experiments.percent_text('decided.mde') }}
        end as mde_text,
        case decided.effect_scale
            when 'absolute' then {{ dbt_experiments.number_text('decided.non_inferiority_margin') }}
            else {{ dbt_experiments.percent_text('decided.non_inferiority_margin') }}
        end as margin_text,
        case decided.basis
            when 'sequential' then 'sequential interval' when 'always_valid' then 'always-valid interval' else 'interval'
        end as interval_name,
        case
            when decided.sequential_method is not null and decided.look_statistic is not null then
                'The boundary is not crossed (z = ' || {{ dbt_experiments.decimal_text('decided.look_statistic', 2) }}
                || coalesce(', boundary ' || {{ dbt_experiments.decimal_text('decided.look_boundary', 2) }}, '') || ')'
            when coalesce(decided.primary_status, 'not_mature') = 'not_mature' then 'No unit has completed its window'
            else 'There is no test yet'
        end as last_look,
        case
            when decided.basis = 'always_valid'
                then 'on ' || cast(decided.crossed_on as {{ dbt.type_string() }}) || ' the always-valid interval excluded zero'
            when decided.sequential_method is not null then
                coalesce(
                    'on ' || cast(decided.crossed_on as {{ dbt.type_string() }}) || ' z = '
                    || {{ dbt_experiments.decimal_text('decided.crossing_statistic', 2) }} || ' crossed the boundary '
                    || {{ dbt_experiments.decimal_text('decided.crossing_boundary', 2) }}
                    || case
                        when decided.crossing_fraction is null then ''
                        else
                            ' with ' || {{ dbt_experiments.decimal_text('100 * decided.crossing_fraction', 0) }}
                            || ' % of the planned units'
                    end,
                    'a sequential boundary was crossed'
                )
        end as crossing,
        case
            when decided.is_running then ''
            else
                case
                    when decided.is_short_of_units and not decided.is_waiting
                        then ' Ended with ' || cast(decided.n_mature as {{ dbt.type_string() }}) || ' of '
                            || cast(decided.planned_units as {{ dbt.type_string() }}) || ' planned units.'
                    else ''
                end
                || case
                    when decided.days_run = 1 then ' It ran 1 day, less than a week.'
                    when decided.days_run < 7
                        then ' It ran ' || cast(decided.days_run as {{ dbt.type_string() }}) || ' days, less than a week.'
                    when mod(cast(decided.days_run as integer), 7) <> 0
                        then ' It ran ' || cast(decided.days_run as {{ dbt.type_string() }})
                            || ' days, which are not whole weeks.'
                    else ''
                end
        end as duration
    from {{ ref('experiments__treatment_decision') }} as decided
    left join guardrail on decided.exp_id = guardrail.exp_id and decided.variant_id = guardrail.variant_id
    left join others on decided.exp_id = others.exp_id and decided.variant_id = others.variant_id
),

found as (
    select
        *,
        case
            when crossing is null then ''
            when is_incomplete and has_crossed then 'Decided before the plan was complete: ' || crossing || '. '
            -- What was shown at a crossing stands when a later interval is wider.
            when crossed_on is not null and shown_low <= 0 and shown_high >= 0
                then 'Decided by a crossing: ' || crossing || '. '
            else ''
        end as early,
        case
            when primary_status = 'ok' then
                primary_metric
                || case
                    when sign(mean_treatment - mean_control) <> sign(effect) then ' (raw means) '
                    else ' '
                end
                || {{ dbt_experiments.number_text('mean_treatment') }} || ' against '
                || {{ dbt_experiments.number_text('mean_control') }} || ' in ' || control_variant_id || ': '
                || case
                    when has_no_unit then
                        'probability of the larger value away from one half '
                        || {{ dbt_experiments.number_text('effect') }} || ' ('
                    when shown_scale = 'absolute' then
                        'difference ' || {{ dbt_experiments.number_text('effect') }} || ' ('
                    else {{ dbt_experiments.percent_text('lift') }} || ' ('
                end
                || case
                    when is_interval_left_out then 'no interval that agrees with the test'
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
                || ', ' || {{ dbt_experiments.p_text('standing_p_value') }}
                || case when is_corrected then ' after correction' else '' end
                || case
                    when primary_estimator like '%cuped%' then ', adjusted for the pre-period'
                    when
                        sign(mean_treatment - mean_control) <> sign(effect)
                        then ', by ' || replace(primary_estimator, '_', ' ')
                    else ''
                end
                || ')'
            when primary_metric is null then 'no primary metric is planned'
            else primary_metric || ' has no result: ' || replace(primary_status, '_', ' ')
        end as finding
    from told
)

select
    exp_id,
    variant_id,
    name,
    decision,
    case reason_code
        when 'unusable_configuration'
            then 'Not to be trusted: ' || coalesce(first_failure, replace(config_issue, '_', ' ') || '.')
        when 'failed_check' then 'Not to be trusted: ' || first_failure
        when 'before_minimum_duration' then
            'Day ' || cast(days_run as {{ dbt.type_string() }}) || ' of at least '
            || cast(min_duration_days as {{ dbt.type_string() }}) || '; so far, ' || finding || '.'
        when 'guardrail_stopped' then
            'Stopped by a guardrail, shown to be harmed by a test that may be read every day (' || violations || '); so far, '
            || finding || '.'
        when 'windows_open' then
            'The experiment has ended, and ' || cast(n_mature as {{ dbt.type_string() }}) || ' of '
            || cast(n_assigned as {{ dbt.type_string() }}) || ' units have completed their window; the last window closes on '
            || cast(windows_close_on as {{ dbt.type_string() }}) || '; so far, ' || finding || '.'
        when 'maximum_duration' then
            'Day ' || cast(days_run as {{ dbt.type_string() }}) || ' of at most '
            || cast(max_duration_days as {{ dbt.type_string() }}) || ', and nothing is shown that may be decided on'
            || coalesce(
                ' (' || cast(n_mature as {{ dbt.type_string() }}) || ' of ' || cast(planned_units as {{ dbt.type_string() }})
                || ' planned units)', ''
            )
            || ': ' || finding || '.'
        when 'crossing_not_kept' then
            'What crossed on ' || cast(crossed_on as {{ dbt.type_string() }}) || ' for gain has not lasted'
            || coalesce(
                ' (' || cast(n_mature as {{ dbt.type_string() }}) || ' of ' || cast(planned_units as {{ dbt.type_string() }})
                || ' planned units have completed their window)', ''
            )
            || '; so far, ' || finding || '.'
        when 'open_without_plan' then
            'No units are planned, and '
            || case basis
                when 'always_valid' then 'the interval that may be read every day does not exclude zero'
                else 'no test of this estimator may be read every day'
            end
            || '; so far, ' || finding || '.'
        when 'worse_then_turned' then
            'Worse by a test that may be read every day: ' || coalesce(crossing, 'a boundary was crossed') || ', for harm ('
            || {{ dbt_experiments.number_text('crossing_effect') }} || ' against the control); the estimate has turned since, '
            || 'which does not undo it: ' || finding || '.'
        when 'gain_not_kept' then
            'What crossed on ' || cast(crossed_on as {{ dbt.type_string() }}) || ' for gain has not lasted: ' || finding || '.'
        when 'not_inferior' then
            'Shown not to be worse by more than the margin (' || margin_text || '): ' || finding
            || case
                when n_guardrails = 1 then '; its guardrail held'
                when n_guardrails > 1
                    then '; all ' || cast(n_guardrails as {{ dbt.type_string() }}) || ' guardrails held'
                else ''
            end || '.'
        when 'units_missing' then
            cast(n_mature as {{ dbt.type_string() }}) || ' of ' || cast(planned_units as {{ dbt.type_string() }})
            || ' planned units have completed their window'
            || coalesce(
                ', and the boundary is not crossed (z = ' || {{ dbt_experiments.decimal_text('look_statistic', 2) }}
                || ', boundary ' || {{ dbt_experiments.decimal_text('look_boundary', 2) }} || ')', ''
            )
            || '; so far, ' || finding || '.'
        when 'boundary_not_crossed' then last_look || '; so far, ' || finding || '.'
        when 'untested_so_far' then last_look || '; so far, ' || finding || '.'
        when 'crossed_with_open_guardrail' then
            'Before the plan was complete, ' || crossing || ', but these guardrails are not shown to hold yet: '
            || undecided_guardrails || '; so far, ' || finding || '.'
        when 'crossed_with_open_size' then
            'Before the plan was complete, ' || crossing || ', but it is open whether by as much as matters; so far, '
            || finding || '.'
        when 'primary_worse' then
            early
            || case
                when is_harm_outside_plan then 'Worse, though the plan asks for gain only: '
                else 'Significantly worse: '
            end
            || finding || case when n_violated > 0 then '; guardrails violated: ' || violations else '' end || '.'
        when 'guardrail_violated' then early || 'Guardrail violated (' || violations || '); ' || finding || '.'
        when 'better_by_too_little' then
            early || 'Better, but by less than the effect that matters (' || mde_text || '): ' || finding || '.'
        when 'better' then
            early || 'Significantly better: ' || finding
            || case
                when n_guardrails = 1 then '; its guardrail held'
                when n_guardrails > 1
                    then '; all ' || cast(n_guardrails as {{ dbt.type_string() }}) || ' guardrails held'
                else ''
            end
            || case when has_no_unit and mde is not null then '; its size cannot be judged by ranks' else '' end || '.'
        when 'better_with_open_guardrail' then
            'Better, but these guardrails are not shown to hold: ' || undecided_guardrails || '; ' || finding || '.'
        when 'better_with_open_size' then
            'Better, but it is open whether by as much as matters (' || mde_text || '): ' || finding || '.'
        when 'untested' then 'No test is possible: ' || finding || '.'
        when 'no_difference' then 'No clear difference: ' || finding || '.'
    end
    || case when decision in ('invalid', 'keep_running') then '' else duration end
    || case when decision = 'invalid' then '' else beside end as reason,
    health_status,
    health_concerns,
    primary_metric,
    effect as primary_effect,
    lift as primary_lift,
    own_lift_low as primary_lift_ci_low,
    own_lift_high as primary_lift_ci_high,
    standing_p_value as primary_p_value,
    failed_guardrails,
    undecided_guardrails,
    cast(n_assigned as {{ dbt.type_bigint() }}) as n_assigned,
    cast(n_mature as {{ dbt.type_bigint() }}) as n_mature,
    maturity_share,
    cast(days_run as {{ dbt.type_bigint() }}) as days_run,
    days_left,
    case
        when decision = 'invalid' then 'Find and mend the cause, then start again with new units.'
        when reason_code = 'windows_open'
            then 'Wait until ' || cast(windows_close_on as {{ dbt.type_string() }}) || ', when the last window closes.'
        when reason_code = 'open_without_plan'
            then 'Plan the units (planned_units), or wait until the always-valid interval excludes zero.'
        when reason_code = 'boundary_not_crossed' then 'Wait; the boundary may be read on any day.'
        when decision = 'keep_running' then 'Wait; look again when the plan is complete.'
        when reason_code = 'guardrail_stopped' then 'Stop the experiment and keep the control.'
        when decision = 'do_not_ship' then 'Keep the control.'
        when decision = 'not_practical' then 'Keep the control, unless the change is wanted for other reasons.'
        when decision = 'ship' then 'Launch the treatment.'
        when reason_code = 'better_with_open_guardrail'
            then 'Show that these guardrails hold; experiment_results has their margins and intervals.'
        when reason_code = 'maximum_duration' then 'End the experiment; plan the next one with the units that it needs.'
        when reason_code = 'untested' then 'See experiment_results and experiment_data_issue for what is missing.'
        when primary_estimator like '%cluster%' or primary_estimator in ('cr3', 'randomization', 'wild_bootstrap')
            then 'More clusters would settle it, not more units in the same ones.'
        when n_needed is not null and n_needed > n_mature
            then 'About ' || cast(n_needed as {{ dbt.type_string() }})
                || ' units in these two arms would settle it for the planned effect.'
        when mde_now is not null
            then 'The sample can detect a lift of '
                || {{ dbt_experiments.percent_text('mde_now') }} || ' or more; a smaller effect needs more units.'
        else 'See experiment_results and experiment_data_issue for what is missing.'
    end as next_step,
    as_of
from found
