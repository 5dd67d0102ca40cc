-- Units per population, cluster and day of their anchor, for the experiments in which a cluster holds more than one unit. A unit
-- without a cluster in such an experiment is a cluster of its own.
{%- set population = 'unit.population' if dbt_experiments.input_relation('exposure') is not none else "'assigned'" %}

with clustered_experiment as (
    select exp_id
    from {{ ref('experiments__assignment') }}
    where cluster_id is not null
    group by exp_id
    having count(*) > count(distinct cluster_id)
)

select
    unit.exp_id,
    {{ population }} as population,
    unit.variant_id,
    unit.variant_key,
    coalesce(unit.cluster_id, 'unit ' || unit.unit_id) as cluster_id,
    unit.anchored_on,
    unit.anchored_at > cast(unit.anchored_on as {{ dbt.type_timestamp() }}) as is_after_midnight,
    count(*) as n_units
from {{ ref('experiments__population_unit') }} as unit
inner join clustered_experiment on unit.exp_id = clustered_experiment.exp_id
group by
    unit.exp_id, {{ population }}, unit.variant_id, unit.variant_key,
    coalesce(unit.cluster_id, 'unit ' || unit.unit_id), unit.anchored_on, is_after_midnight
