-- Are there enough clusters for inference on clusters, and does each belong to one variant?

select
    experiment.exp_id,
    'all' as scope,
    case
        when least_clusters.n_clusters is null then 'not_applicable'
        when crossed.n_crossed > 0 then 'warn'
        when least_clusters.n_clusters < {{ var('few_clusters') }} then 'warn'
        else 'pass'
    end as status,
    least_clusters.n_clusters as statistic,
    cast(null as {{ dbt_experiments.type_double() }}) as p_value,
    {{ var('few_clusters') }} as threshold,
    case
        when least_clusters.n_clusters is null then 'No result rests on assigned clusters.'
        when crossed.n_crossed > 0 then
            cast(crossed.n_crossed as {{ dbt.type_string() }})
            || ' clusters have units in more than one variant: the clusters were not what was assigned, or the '
            || 'assignment leaked. Intervals treat each part as a cluster of its own.'
        else
            'The smallest comparison rests on ' || cast(least_clusters.n_clusters as {{ dbt.type_string() }})
            || ' clusters; intervals are cluster-robust (CR2) with Bell-McCaffrey degrees of freedom; with fewer than '
            || 'ten clusters in an arm, plan the estimator randomization.'
    end as message
from {{ ref('experiments__experiment') }} as experiment
left join (
    select exp_id, min(clusters_control + clusters_treatment) as n_clusters
    from {{ ref('experiments__result') }}
    where clusters_control is not null and population = 'assigned'
    group by exp_id
) as least_clusters on experiment.exp_id = least_clusters.exp_id
left join (
    select exp_id, count(*) as n_crossed
    from (
        select exp_id, cluster_id
        from {{ ref('experiments__cluster_size') }}
        group by exp_id, cluster_id
        having min(variant_id) <> max(variant_id)
    ) as crossed_cluster
    group by exp_id
) as crossed on experiment.exp_id = crossed.exp_id
