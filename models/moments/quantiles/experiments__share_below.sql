-- The share of values at or below the arm's sample quantile with its cluster-robust variance, where values are not
-- independent: facts with their units as clusters, or everything with the clusters that were assigned. The share is a ratio of
-- cluster totals; variance (CR2) and degrees of freedom as in cluster_moment. Derivation: docs/statistics/quantiles.md.

with arm as (
    select
        *,
        -- Place of the sample quantile (type 7) among the sorted values; whole where it is whole but for rounding.
        case
            when abs((n - 1) * quantile - round((n - 1) * quantile)) < 1e-9 then 1 + round((n - 1) * quantile)
            else 1 + (n - 1) * quantile
        end as place
    from {{ ref('experiments__quantile_arm') }}
    where is_grouped and n > 0
),

wanted as (
    select
        plan_key,
        variant_key,
        floor(place) as first_rank,
        least(floor(place) + 1, n) as last_rank,
        sqrt(n * quantile * (1 - quantile)) as rank_sd,
        silent,
        n_silent
    from arm
),

stored as (
    select
        stored.plan_key,
        stored.variant_key,
        stored.unit_key,
        stored.value_key,
        stored.value
    from {{ ref('experiments__quantile_value') }} as stored
    where stored.plan_key in (select plan_key from wanted)
),

run as (
    select selected.*
    from (
        {{ dbt_experiments.order_statistics('wanted', 'stored') }}
    ) as selected
),

sample_quantile as (
    select
        arm.plan_key,
        arm.variant_key,
        min(run.value) + (max(arm.place) - floor(max(arm.place))) * (max(run.value) - min(run.value)) as value
    from arm
    inner join run on arm.plan_key = run.plan_key and arm.variant_key = run.variant_key
    group by arm.plan_key, arm.variant_key
),

marked as (
    select
        stored.plan_key,
        stored.variant_key,
        stored.unit_key,
        case when stored.value <= sample_quantile.value then 1 else 0 end as is_below
    from stored
    inner join sample_quantile
        on stored.plan_key = sample_quantile.plan_key and stored.variant_key = sample_quantile.variant_key
),

of_unit as (
    select
        plan_key,
        variant_key,
        unit_key,
        count(*) as n,
        sum(is_below) as n_below
    from marked
    group by plan_key, variant_key, unit_key
),

of_cluster as (
    select
        of_unit.plan_key,
        of_unit.variant_key,
        coalesce(unit.cluster_id, 'unit ' || unit.unit_id) as cluster_id,
        sum(of_unit.n) as n,
        sum(of_unit.n_below) as n_below
    from of_unit
    inner join arm on of_unit.plan_key = arm.plan_key and of_unit.variant_key = arm.variant_key
    inner join {{ ref('experiments__population_unit') }} as unit on of_unit.unit_key = unit.unit_key
    where arm.is_clustered
    group by of_unit.plan_key, of_unit.variant_key, coalesce(unit.cluster_id, 'unit ' || unit.unit_id)
),

mature_cluster as (
    select
        plan_key,
        variant_key,
        cluster_id,
        sum(n) as n
    from {{ ref('experiments__cluster_total') }}
    where plan_key in (select plan_key from arm where not is_single)
    group by plan_key, variant_key, cluster_id
),

-- One row per cluster and arm, whatever the cluster is; units without facts count in theirs.
clusters as (
    select
        of_unit.plan_key,
        of_unit.variant_key,
        of_unit.n,
        of_unit.n_below
    from of_unit
    inner join arm on of_unit.plan_key = arm.plan_key and of_unit.variant_key = arm.variant_key
    where not arm.is_clustered

    union all

    select
        of_cluster.plan_key,
        of_cluster.variant_key,
        of_cluster.n,
        of_cluster.n_below
    from of_cluster
    inner join arm on of_cluster.plan_key = arm.plan_key and of_cluster.variant_key = arm.variant_key
    where arm.is_single

    union all

    select
        mature_cluster.plan_key,
        mature_cluster.variant_key,
        mature_cluster.n,
        coalesce(of_cluster.n_below, 0)
        + case when arm.silent <= sample_quantile.value then mature_cluster.n - coalesce(of_cluster.n, 0) else 0 end as n_below
    from mature_cluster
    inner join arm on mature_cluster.plan_key = arm.plan_key and mature_cluster.variant_key = arm.variant_key
    inner join sample_quantile
        on mature_cluster.plan_key = sample_quantile.plan_key and mature_cluster.variant_key = sample_quantile.variant_key
    left join of_cluster
        on
            mature_cluster.plan_key = of_cluster.plan_key
            and mature_cluster.variant_key = of_cluster.variant_key
            and mature_cluster.cluster_id = of_cluster.cluster_id
),

residual as (
    select
        plan_key,
        variant_key,
        n,
        n_below,
        n * 1.0 / sum(n) over arm_rows as share,
        n_below - n * (sum(n_below) over arm_rows * 1.0 / sum(n) over arm_rows) as residual
    from clusters
    window arm_rows as (partition by plan_key, variant_key)
)

select
    residual.plan_key,
    residual.variant_key,
    variant.variant_id,
    count(*) as clusters,
    cast(sum(residual.n) as {{ dbt.type_bigint() }}) as n,
    sum(residual.n_below) * 1.0 / sum(residual.n) as share_below,
    case when count(*) > 1
        then sum(residual.residual * residual.residual / nullif(1 - residual.share, 0)) / power(sum(residual.n), 2)
    end as variance_below,
    case when count(*) > 1
        then
            sum(residual.share * residual.share)
            + power(sum(residual.share * residual.share / nullif(1 - residual.share, 0)), 2)
            - sum(power(residual.share, 4) / nullif(power(1 - residual.share, 2), 0))
    end as satterthwaite_trace
from residual
inner join {{ ref('experiments__variant') }} as variant on residual.variant_key = variant.variant_key
group by residual.plan_key, residual.variant_key, variant.variant_id
