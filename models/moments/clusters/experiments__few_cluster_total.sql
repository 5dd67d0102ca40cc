{{ config(materialized='view') }}
-- Totals per cluster of everything mature at `as_of`, of the plans in which clusters are few: what a reference of
-- re-assigned clusters needs and moments do not hold. A handful of rows per plan; nothing where clusters are many.
{%- set variables = dbt_experiments.moment_variables() %}

with few as (
    select moment.plan_key
    from {{ ref('experiments__cluster_moment') }} as moment
    inner join {{ ref('experiments__metric_moment') }} as last_look
        on
            moment.plan_key = last_look.plan_key
            and moment.variant_id = last_look.variant_id
            and moment.look_date = last_look.look_date
    group by moment.plan_key
    having sum(moment.clusters) < {{ var('few_clusters_resampled') }}
)

select
    total.plan_key,
    variant.variant_id,
    total.cluster_id,
    cast(sum(total.n) as {{ dbt.type_bigint() }}) as n
    {%- for v in variables %},
    sum(total.total_{{ v }}) as total_{{ v }}
    {%- endfor %}
from {{ ref('experiments__cluster_total') }} as total
inner join few on total.plan_key = few.plan_key
inner join {{ ref('experiments__variant') }} as variant on total.variant_key = variant.variant_key
group by total.plan_key, variant.variant_id, total.cluster_id
