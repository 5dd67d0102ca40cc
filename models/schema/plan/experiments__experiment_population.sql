-- depends_on: {{ ref('experiments__exposure') }}
-- The populations that each experiment is analysed on: all assigned units always, the exposed ones where exposures are known.

with population as (
    select
        exp_id,
        exp_key,
        'assigned' as population
    from {{ ref('experiments__experiment') }}
    {%- if dbt_experiments.input_relation('exposure') is not none %}

    union all

    select
        exp_id,
        exp_key,
        'exposed' as population
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
    -- The assigned come first: their keys are those of the experiments, whatever populations stand beside them.
    cast(
        row_number() over (order by case population when 'assigned' then 0 else 1 end, exp_key, population) as integer
    ) as population_key,
    exp_key,
    exp_id in (select exp_id from clustered) as is_clustered
from population
