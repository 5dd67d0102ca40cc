-- Observed units and planned shares per population, variant, day of assignment and phase of the traffic allocation. Where
-- clusters were assigned, the clusters are counted, each on the day of its first unit: units of one cluster came together.

with clustered as (
    select exp_id
    from {{ ref('experiments__experiment_population') }}
    where is_clustered and population = 'assigned'
),

cluster as (
    select
        exp_id,
        variant_id,
        cluster_id,
        min(anchored_on) as assigned_on
    from {{ ref('experiments__cluster_size') }}
    where population = 'assigned'
    group by exp_id, variant_id, cluster_id
),

-- A cluster is exposed when one of its units is.
population_cluster as (
    select
        *,
        'assigned' as population
    from cluster

    union all

    select
        cluster.*,
        'exposed' as population
    from cluster
    inner join (
        select distinct
            exp_id,
            variant_id,
            cluster_id
        from {{ ref('experiments__cluster_size') }}
        where population = 'exposed'
    ) as exposed
        on
            cluster.exp_id = exposed.exp_id
            and cluster.variant_id = exposed.variant_id
            and cluster.cluster_id = exposed.cluster_id
),

observed as (
    select
        exp_id,
        'assigned' as population,
        assigned_on,
        phase,
        variant_id,
        sum(n_units) as n
    from {{ ref('experiments__assignment_count') }}
    where exp_id not in (select exp_id from clustered)
    group by exp_id, assigned_on, phase, variant_id

    union all

    select
        exp_id,
        'exposed' as population,
        assigned_on,
        phase,
        variant_id,
        sum(n_units) as n
    from {{ ref('experiments__exposure_count') }}
    where exp_id not in (select exp_id from clustered)
    group by exp_id, assigned_on, phase, variant_id

    union all

    select
        cluster.exp_id,
        cluster.population,
        cluster.assigned_on,
        max(phase.phase) as phase,
        cluster.variant_id,
        count(distinct cluster.cluster_id) as n
    from population_cluster as cluster
    inner join {{ ref('experiments__traffic_phase') }} as phase
        on
            cluster.exp_id = phase.exp_id
            and cluster.variant_id = phase.variant_id
            and (phase.valid_from is null or cluster.assigned_on >= cast(phase.valid_from as date))
            and (phase.valid_to is null or cluster.assigned_on < cast(phase.valid_to as date))
    group by cluster.exp_id, cluster.population, cluster.assigned_on, cluster.variant_id
),

look as (
    select distinct
        exp_id,
        population,
        assigned_on,
        phase
    from observed
)

select
    look.exp_id,
    look.population,
    phase.variant_id,
    look.assigned_on,
    look.phase,
    cast(coalesce(observed.n, 0) as {{ dbt.type_bigint() }}) as n,
    phase.traffic_share,
    look.exp_id in (select exp_id from clustered) as counts_clusters
from look
inner join {{ ref('experiments__traffic_phase') }} as phase on look.exp_id = phase.exp_id and look.phase = phase.phase
inner join {{ ref('experiments__variant') }} as variant
    on phase.exp_id = variant.exp_id and phase.variant_id = variant.variant_id and not variant.has_bad_traffic
left join observed
    on
        look.exp_id = observed.exp_id
        and look.population = observed.population
        and look.assigned_on = observed.assigned_on
        and look.phase = observed.phase
        and phase.variant_id = observed.variant_id
