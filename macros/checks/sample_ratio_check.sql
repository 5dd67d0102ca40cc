{% macro sample_ratio_check(check_name, end_of_message) %}
  {#- The check that the assigned units are shared out as planned, by the test that `experiments__allocation` has under its name. -#}
select
    experiment.exp_id,
    'all' as scope,
    case
        when allocation.note is not null then 'fail'
        when allocation.p_value is null then 'not_applicable'
        when allocation.p_value < {{ var('srm_fail_alpha') }} then 'fail'
        when allocation.p_value < {{ var('srm_warn_alpha') }} then 'warn'
        else 'pass'
    end as status,
    allocation.statistic,
    allocation.p_value,
    {{ var('srm_fail_alpha') }} as threshold,
    case
        when allocation.note = 'empty_arm' then 'A variant with planned traffic has no units.'
        when allocation.note = 'unplanned_arm' then 'A variant without planned traffic has units.'
        when allocation.p_value is null then 'No allocation to check: no assigned units, or no usable planned traffic.'
        else 'Assigned ' || {{ dbt_experiments.allocation_text('allocation', 'counted') }} || '{{ end_of_message }}'
    end as message
from {{ ref('experiments__experiment') }} as experiment
left join {{ ref('experiments__allocation') }} as allocation
    on experiment.exp_id = allocation.exp_id and allocation.check_name = '{{ check_name }}'
left join {{ ref('experiments__allocation_by_variant') }} as counted
    on experiment.exp_id = counted.exp_id and counted.population = 'assigned'
{%- endmacro %}
