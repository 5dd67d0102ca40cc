{{ config(materialized='view') }}
-- Totals of hash buckets of mature units (of clusters, where clusters were assigned), for the plans that ask for a bootstrap or
-- a permutation test. A bucket is a random sample of its variant; every unit counts in n, those without outcome too.
{%- set buckets = var('buckets') %}

with asked as (
    select *
    from {{ ref('experiments__plan_metric') }}
    where estimator in ('bootstrap', 'permutation') and has_moments
),

-- A permutation exchanges buckets, so they must hold as many units in every variant: buckets in proportion to the planned
-- traffic, `buckets` of them for the largest variant. A bootstrap resamples each variant by itself and takes them all.
arm as (
    select
        asked.*,
        variant.variant_id,
        variant.variant_key,
        case
            when asked.estimator = 'permutation' and variant.traffic_share is not null
                then greatest(1, cast(round(
                    {{ buckets }} * variant.traffic_share / max(variant.traffic_share) over (partition by asked.plan_key)
                ) as {{ dbt.type_bigint() }}))
            else {{ buckets }}
        end as buckets,
        {{ dbt_experiments.capped('asked.value_without_facts') }} as silent
    from asked
    inner join {{ ref('experiments__variant') }} as variant on asked.exp_id = variant.exp_id
    left join {{ ref('experiments__metric_cap') }} as cap on asked.plan_key = cap.plan_key
),
{%- set name = "arm.exp_id || ' ' || case when arm.is_clustered then coalesce(unit.cluster_id, 'unit ' || unit.unit_id) "
    ~ "else unit.unit_id end" %}

-- A unit is hashed once for all metrics of its experiment; maturity needs no more than its day.
layout as (
    select distinct population_key, exp_id, variant_key, buckets, is_clustered from arm
),

counted as (
    select
        arm.population_key,
        arm.variant_key,
        arm.buckets,
        {{ dbt_experiments.hash_bucket(name, 'arm.buckets') }} as bucket,
        unit.anchored_on,
        unit.anchored_at > cast(unit.anchored_on as {{ dbt.type_timestamp() }}) as is_after_midnight,
        count(*) as n_units
    from {{ ref('experiments__population_unit') }} as unit
    inner join layout as arm on unit.population_key = arm.population_key and unit.variant_key = arm.variant_key
    group by arm.population_key, arm.variant_key, arm.buckets, bucket, unit.anchored_on, is_after_midnight
),

size as (
    select
        arm.plan_key,
        arm.variant_key,
        counted.bucket,
        sum(counted.n_units) as n
    from counted
    inner join arm
        on
            counted.population_key = arm.population_key
            and counted.variant_key = arm.variant_key
            and counted.buckets = arm.buckets
    where {{ dbt_experiments.mature_on_count('counted', 'arm', day='anchored_on') }} <= arm.as_of
    group by arm.plan_key, arm.variant_key, counted.bucket
),

active as (
    select
        arm.plan_key,
        arm.variant_key,
        {{ dbt_experiments.hash_bucket(name, 'arm.buckets') }} as bucket,
        count(*) as n,
        count(case when unit.numerator <> 0 then 1 end) as n_nonzero,
        sum(unit.numerator) as total_numerator,
        sum(unit.denominator) as total_denominator
    from {{ ref('experiments__unit_metric') }} as unit
    inner join arm on unit.plan_key = arm.plan_key and unit.variant_key = arm.variant_key
    where unit.mature_on <= arm.as_of
    group by arm.plan_key, arm.variant_key, bucket
),

merged as (
    select
        size.plan_key,
        size.variant_key,
        size.bucket,
        size.n,
        size.n - coalesce(active.n, 0) as n_silent,
        coalesce(active.n_nonzero, 0) as n_nonzero,
        coalesce(active.total_numerator, 0) as total_numerator,
        coalesce(active.total_denominator, 0) as total_denominator
    from size
    left join active
        on
            size.plan_key = active.plan_key
            and size.variant_key = active.variant_key
            and size.bucket = active.bucket
)

select
    merged.plan_key,
    arm.variant_id,
    merged.bucket,
    arm.buckets,
    cast(merged.n as {{ dbt.type_bigint() }}) as n,
    cast(merged.n_nonzero + case when arm.silent = 0 then 0 else merged.n_silent end as {{ dbt.type_bigint() }})
        as n_nonzero,
    merged.total_numerator + merged.n_silent * arm.silent as total_numerator,
    case
        when arm.has_denominator then merged.total_denominator
        else cast(merged.n as {{ dbt_experiments.type_double() }})
    end as total_denominator
from merged
inner join arm on merged.plan_key = arm.plan_key and merged.variant_key = arm.variant_key
