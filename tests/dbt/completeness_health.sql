-- Every experiment has every check: a check that is missing for one would look like health.

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
    expected.exp_id,
    expected.check_name
from expected
left join {{ ref('experiment_health') }} as health
    on expected.exp_id = health.exp_id and expected.check_name = health.check_name
where health.exp_id is null
