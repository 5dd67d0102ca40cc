-- The units (clusters, where clusters were assigned) of each variant beside the planned shares, in words.

select
    exp_id,
    population,
    max(counts_clusters) as counts_clusters,
    {{ dbt.listagg("variant_id || ' ' || n", "', '", 'order by variant_id') }} as observed,
    {{ dbt.listagg("variant_id || ' ' || share", "', '", 'order by variant_id') }} as planned
from (
    select
        exp_id,
        population,
        variant_id,
        max(counts_clusters) as counts_clusters,
        cast(sum(n) as {{ dbt.type_string() }}) as n,
        {{ dbt_experiments.decimal_text('100 * sum(n_expected) / nullif(sum(n_day), 0)', 1) }} || ' %' as share
    from (
        select
            *,
            sum(n) over (partition by exp_id, population, assigned_on, phase) as n_day,
            traffic_share * sum(n) over (partition by exp_id, population, assigned_on, phase) as n_expected
        from {{ ref('experiments__allocation_count') }}
    ) as by_day
    group by exp_id, population, variant_id
) as by_variant
group by exp_id, population
