-- Cluster-robust second moments at every look: the same names and use as in look_moment (a variance divided by n is the
-- variance of the mean), but from the residual totals of clusters, with the CR2 weights 1 / (1 - share of the cluster); the
-- terms from which the degrees of freedom of a comparison follow, with independent units (Bell-McCaffrey) and with clusters
-- that vary as wholes; and the sums of products of three residual totals, for the skewness. The share is that of the arm's
-- units, for ratios that of its denominator. Derivation: docs/statistics/clusters.md.
{%- set variables = dbt_experiments.moment_variables() %}
{%- set pairs = dbt_experiments.moment_pairs() %}
{%- set triples = dbt_experiments.moment_triples() %}

with look as (
    select
        look.plan_key,
        variant.variant_key,
        look.look_date,
        look.is_last_look,
        plan.has_denominator,
        last_look.mean_denominator as centre_denominator,
        {%- for v in variables %}
        look.mean_{{ v }} - last_look.mean_{{ v }} as drift_{{ v }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ ref('experiments__look_moment') }} as look
    inner join {{ ref('experiments__metric_moment') }} as last_look
        on look.plan_key = last_look.plan_key and look.variant_id = last_look.variant_id
    inner join {{ ref('experiments__plan_metric') }} as plan on look.plan_key = plan.plan_key
    inner join {{ ref('experiments__variant') }} as variant
        on look.exp_id = variant.exp_id and look.variant_id = variant.variant_id
),

cluster as (
    select distinct
        plan_key,
        variant_key,
        cluster_id,
        count(*) over (partition by plan_key) as n_rows
    from {{ ref('experiments__cluster_total') }}
),

-- Where clusters are as many as units, every look of each would be as large as the facts: there, the last look only.
running as (
    select
        cluster.plan_key,
        cluster.variant_key,
        cluster.cluster_id,
        look.look_date,
        look.has_denominator,
        look.centre_denominator,
        {%- for v in variables %}
        look.drift_{{ v }},
        {%- endfor %}
        sum(total.n) as n,
        {%- for v in variables %}
        sum(total.total_{{ v }}) as total_{{ v }}{{ ',' if not loop.last }}
        {%- endfor %}
    from cluster
    inner join look on cluster.plan_key = look.plan_key and cluster.variant_key = look.variant_key
    inner join {{ ref('experiments__cluster_total') }} as total
        on
            cluster.plan_key = total.plan_key
            and cluster.variant_key = total.variant_key
            and cluster.cluster_id = total.cluster_id
            and total.mature_on <= look.look_date
    where look.is_last_look or cluster.n_rows <= {{ var('max_cluster_rows_per_look') }}
    group by
        cluster.plan_key, cluster.variant_key, cluster.cluster_id, look.look_date,
        look.has_denominator, look.centre_denominator
        {%- for v in variables %}, look.drift_{{ v }}{% endfor %}
),

-- What a cluster weighs in its arm: for a ratio, the sum of its units' denominators.
weighted as (
    select
        *,
        case when has_denominator then total_denominator + n * centre_denominator else n * 1.0 end as weight
    from running
),

residual as (
    select
        plan_key,
        variant_key,
        look_date,
        n,
        weight / nullif(sum(weight) over (partition by plan_key, variant_key, look_date), 0) as share,
        {%- for v in variables %}
        total_{{ v }} - n * drift_{{ v }} as residual_{{ v }}{{ ',' if not loop.last }}
        {%- endfor %}
    from weighted
),

summed as (
    select
        plan_key,
        variant_key,
        look_date,
        count(*) as clusters,
        sum(n) as n,
        -- Without a weight, with a negative one, or with all of it in one cluster, no correction is defined; totals of
        -- deviations carry a rounding of their own.
        min(share) > -1e-12 and max(share) < 1 - 1e-12 as is_defined,
        sum(share * share) as sum_share_squared,
        sum(share * share / nullif(1 - share, 0)) as sum_leverage,
        sum(power(share, 3) / nullif(1 - share, 0)) as sum_leverage_share,
        sum(power(share, 4) / nullif(1 - share, 0)) as sum_leverage_share_squared,
        sum(power(share, 4) / nullif(power(1 - share, 2), 0)) as sum_leverage_squared,
        sum(power(share, 5) / nullif(power(1 - share, 2), 0)) as sum_leverage_squared_share,
        {%- for name, (a, b, c) in triples.items() %}
        sum(residual_{{ a }} * residual_{{ b }} * residual_{{ c }}) as {{ name }},
        {%- endfor %}
        {%- for a, b in pairs %}
        sum(residual_{{ a }} * residual_{{ b }} / nullif(1 - share, 0)) / sum(n)
            as {{ dbt_experiments.moment_name(a, b) }}{{ ',' if not loop.last }}
        {%- endfor %}
    from residual
    group by plan_key, variant_key, look_date
)

select
    summed.plan_key,
    plan.exp_id,
    plan.metric_id,
    variant.variant_id,
    summed.look_date,
    summed.clusters,
    cast(summed.n as {{ dbt.type_bigint() }}) as n,
    case when summed.is_defined
        then summed.sum_share_squared + power(summed.sum_leverage, 2) - summed.sum_leverage_squared
    end as satterthwaite_trace,
    -- The same where clusters vary as wholes: all pairs of clusters, less those of a cluster with itself.
    case when summed.is_defined
        then (1 + summed.sum_share_squared) * summed.sum_leverage - 2 * summed.sum_leverage_share
    end as cluster_level,
    case when summed.is_defined
        then power(summed.sum_share_squared * summed.sum_leverage, 2)
        - 4 * summed.sum_share_squared * summed.sum_leverage * summed.sum_leverage_share
        + 2 * summed.sum_leverage * summed.sum_leverage_share_squared
        + 2 * power(summed.sum_leverage_share, 2)
        + (1 + 2 * summed.sum_share_squared) * summed.sum_leverage_squared
        - 4 * summed.sum_leverage_squared_share
    end as cluster_level_trace,
    {%- for name in triples %}
    summed.{{ name }},
    {%- endfor %}
    {%- for a, b in pairs %}
    case when summed.is_defined then summed.{{ dbt_experiments.moment_name(a, b) }} end
        as {{ dbt_experiments.moment_name(a, b) }}{{ ',' if not loop.last }}
    {%- endfor %}
from summed
inner join {{ ref('experiments__plan_metric') }} as plan on summed.plan_key = plan.plan_key
inner join {{ ref('experiments__variant') }} as variant on summed.variant_key = variant.variant_key
