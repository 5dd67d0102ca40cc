-- Every experiment has every check of the list, and no other: a check that is missing for one would look like health.

with expected as (
    select
        experiment.exp_id,
        check_kind.check_name
    from {{ ref('experiments__experiment') }} as experiment
    cross join (
        {%- for check_name in dbt_experiments.allowed_values().check_name %}
        select '{{ check_name }}' as check_name
        {{ 'union all' if not loop.last }}
        {%- endfor %}
    ) as check_kind
)

select
    coalesce(expected.exp_id, health.exp_id) as exp_id,
    coalesce(expected.check_name, health.check_name) as check_name
from expected
full outer join {{ ref('experiment_health') }} as health
    on expected.exp_id = health.exp_id and expected.check_name = health.check_name
where health.exp_id is null or expected.exp_id is null
