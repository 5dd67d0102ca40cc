{{ config(materialized='table') }}
-- What to do with each treatment: the rule, and beside it the facts that it was applied to. The first branch that applies
-- decides; `decision_reasons` names the decision of each.

with reasoned as (
    select
        *,
        case
            when config_issue is not null then 'unusable_configuration'
            when health_status = 'fail' then 'failed_check'
            when n_stopping > 0 and (is_incomplete or is_before_minimum_duration) then 'guardrail_stopped'
            when is_before_minimum_duration then 'before_minimum_duration'
            when is_waiting and not has_crossed then 'windows_open'
            when is_incomplete and not has_crossed and is_at_maximum_duration then 'maximum_duration'
            when is_incomplete and not has_crossed and has_turned then 'crossing_not_kept'
            when is_incomplete and not has_crossed and is_short_of_units then 'units_missing'
            when is_incomplete and not has_crossed and sequential_method is not null then 'boundary_not_crossed'
            when is_incomplete and not has_crossed and is_tested then 'open_without_plan'
            when is_worse and has_worse_turned then 'worse_then_turned'
            when is_worse then 'primary_worse'
            when n_violated > 0 then 'guardrail_violated'
            when not is_tested and is_running then 'untested_so_far'
            when not is_tested then 'untested'
            when has_turned then 'gain_not_kept'
            when is_better and is_impractical then 'better_by_too_little'
            when is_better and is_practical and n_undecided = 0 then 'better'
            when is_not_inferior and n_undecided = 0 then 'not_inferior'
            when is_incomplete and n_undecided > 0 then 'crossed_with_open_guardrail'
            when is_incomplete then 'crossed_with_open_size'
            when (is_better or is_not_inferior) and n_undecided > 0 then 'better_with_open_guardrail'
            when is_better then 'better_with_open_size'
            else 'no_difference'
        end as reason_code
    from {{ ref('experiments__treatment_evidence') }}
)

select
    *,
    case reason_code
        {%- for code, reason in dbt_experiments.decision_reasons().items() %}
        when '{{ code }}' then '{{ reason.decision }}'
        {%- endfor %}
    end as decision
from reasoned
