-- depends_on: {{ ref('experiments__exposure') }}
-- The populations that each experiment is analysed on: all assigned units always, the exposed ones where exposures are known.
-- A plan has keys of its own in each, so that everything downstream of the plan treats them as different metrics: the
-- exposed population's keys are the assigned one's with the other sign.

with population as (
    select
        exp_id,
        'assigned' as population,
        exp_key,
        1 as key_sign
    from {{ ref('experiments__experiment') }}
    {%- if dbt_experiments.input_relation('exposure') is not none %}

    union all

    select
        exp_id,
        'exposed' as population,
        -exp_key as exp_key,
        -1 as key_sign
    from {{ ref('experiments__experiment') }}
    where exp_id in (select exp_id from {{ ref('experiments__exposure') }})
    {%- endif %}
),

-- Clusters were assigned where a cluster holds more than one unit; a cluster_id of each unit's own is none. The exposed are
-- clustered when the assigned are.
clustered as (
    select exp_id
    from {{ ref('experiments__assignment') }}
    where cluster_id is not null
    group by exp_id
    having count(*) > count(distinct cluster_id)
)

select
    exp_id,
    population,
    exp_key,
    key_sign,
    exp_id in (select exp_id from clustered) as is_clustered
from population
