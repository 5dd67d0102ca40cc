-- What to do with each treatment, and why in one sentence: the words for what experiments__treatment_decision has decided, one
-- sentence for each reason. Nothing is decided here, and no number is made that a reader cannot check in the other marts.

with told as (
    select
        *,
        case effect_scale
            when 'absolute' then {{ dbt_experiments.number_text('mde') }}
            else {{ dbt_experiments.percent_text('mde') }}
        end as mde_text,
        case when sequential_method is null then 'interval' else 'sequential interval' end as interval_name,
        case
            when sequential_method is not null and look_statistic is not null then
                'The boundary is not crossed (z = ' || {{ dbt_experiments.decimal_text('look_statistic', 2) }}
                || coalesce(', boundary ' || {{ dbt_experiments.decimal_text('look_boundary', 2) }}, '') || ')'
            else 'No unit has completed its window'
        end as last_look,
        case
            when sequential_method is not null and is_incomplete and has_crossed then
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
        end as crossing
    from {{ ref('experiments__treatment_decision') }}
),

found as (
    select
        *,
        coalesce('Decided before the plan was complete: ' || crossing || '. ', '') as early,
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
        when 'crossing_not_kept' then
            cast(n_mature as {{ dbt.type_string() }}) || ' of ' || cast(planned_units as {{ dbt.type_string() }})
            || ' planned units have completed their window, and what crossed the boundary on '
            || cast(first_crossed_on as {{ dbt.type_string() }}) || ' has not lasted; so far, ' || finding || '.'
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
            early || 'Significantly worse: ' || finding
            || case when n_violated > 0 then '; guardrails violated: ' || failed_guardrails else '' end || '.'
        when 'guardrail_violated' then early || 'Guardrail violated (' || failed_guardrails || '); ' || finding || '.'
        when 'better_by_too_little' then
            early || 'Better, but by less than the effect that matters (' || mde_text || '): ' || finding || '.'
        when 'better' then
            early || 'Significantly better: ' || finding
            || case
                when n_guardrails = 1 then '; its guardrail held'
                when n_guardrails > 1
                    then '; all ' || cast(n_guardrails as {{ dbt.type_string() }}) || ' guardrails held'
                else ''
            end || '.'
        when 'better_with_open_guardrail' then
            'Better, but these guardrails are not shown to hold: ' || undecided_guardrails || '; ' || finding || '.'
        when 'better_with_open_size' then
            'Better, but it is open whether by as much as matters (' || mde_text || '): ' || finding || '.'
        when 'untested' then 'No test is possible: ' || finding || '.'
        when 'no_difference' then 'No clear difference: ' || finding || '.'
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
    days_left,
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
from found
