-- Can the experiment be analysed as it is configured?

select
    exp_id,
    'all' as scope,
    case
        when config_issue is not null then 'fail'
        when setting_issue is not null then 'warn'
        else 'pass'
    end as status,
    cast(null as {{ dbt_experiments.type_double() }}) as statistic,
    cast(null as {{ dbt_experiments.type_double() }}) as p_value,
    cast(null as {{ dbt_experiments.type_double() }}) as threshold,
    case config_issue
        when 'no_variants' then 'The experiment has fewer than two variants.'
        when 'no_control' then
            'It is not clear which variant is the control: name one `control`, or set is_control for exactly one.'
        when 'bad_traffic' then 'The planned traffic does not add up to 1 or 100, so the allocation cannot be checked.'
        else
            case
                when setting_issue is null then 'One control, and planned traffic that adds up.'
                when setting_issue = 'ends_before_start' then 'The experiment ends before it starts.'
                when setting_issue = 'no_planned_units'
                    then 'The sequential method needs planned_units; the experiment is analysed with a fixed horizon.'
                when setting_issue = 'unknown_sequential_method'
                    then 'The sequential method is not known; the experiment is analysed with a fixed horizon.'
                else
                    'A setting of the experiment cannot be read (' || setting_issue
                    || '); the default of the project is used instead.'
            end
    end as message
from {{ ref('experiments__experiment') }}
