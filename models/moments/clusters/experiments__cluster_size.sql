-- Units per population, cluster and day of their anchor, for the experiments in which clusters were assigned. A unit without a
-- cluster in such an experiment is a cluster of its own.
{%- set population = 'unit.population' if dbt_experiments.input_relation('exposure') is not none else "'assigned'" %}

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
where unit.exp_id in (select exp_id from {{ ref('experiments__experiment_population') }} where is_clustered)
group by
    unit.exp_id, {{ population }}, unit.variant_id, unit.variant_key,
    coalesce(unit.cluster_id, 'unit ' || unit.unit_id), unit.anchored_on, is_after_midnight
