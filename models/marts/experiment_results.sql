-- The result of every planned comparison, as people read it: the columns of the contract. Where the experiment cannot be
-- trusted the numbers stay, and nothing is called significant.
{%- set trustworthy = "(coalesce(health.health_status, 'pass') <> 'fail' and experiment.config_issue is null)" %}

select
    {{ dbt_experiments.contract_columns('result', {
        'is_significant': 'case when result.is_significant then ' ~ trustworthy ~ ' else result.is_significant end',
        'is_trustworthy': trustworthy,
    }) }}
from {{ ref('experiments__result') }} as result
inner join {{ ref('experiments__experiment') }} as experiment on result.exp_id = experiment.exp_id
left join {{ ref('experiments__health_state') }} as health on result.exp_id = health.exp_id
