-- Totals per cluster, one row per planned metric, variant, cluster and day of maturity. Totals are of deviations from the
-- variant's mean, so that their squares keep their digits; clusters without outcome have theirs too.
{%- set variables = dbt_experiments.moment_variables() %}

with size as (
    select
        plan.plan_key,
        size.variant_key,
        size.cluster_id,
        {{ dbt_experiments.mature_on_count('size') }} as mature_on,
        sum(size.n_units) as n
    from {{ ref('experiments__cluster_size') }} as size
    inner join {{ ref('experiments__plan_metric') }} as plan on size.exp_id = plan.exp_id and size.population = plan.population
    group by plan.plan_key, size.variant_key, size.cluster_id, mature_on, plan.as_of
    having mature_on <= plan.as_of
),

centre as (
    select
        moment.plan_key,
        variant.variant_key,
        {%- for v in variables %}
        moment.mean_{{ v }} as centre_{{ v }},
        {%- endfor %}
        {{ dbt_experiments.capped('plan.value_without_facts') }} as silent
    from {{ ref('experiments__metric_moment') }} as moment
    inner join {{ ref('experiments__plan_metric') }} as plan on moment.plan_key = plan.plan_key
    inner join {{ ref('experiments__variant') }} as variant
        on moment.exp_id = variant.exp_id and moment.variant_id = variant.variant_id
    left join {{ ref('experiments__metric_cap') }} as cap on moment.plan_key = cap.plan_key
    where plan.is_clustered
),

active as (
    select
        unit.plan_key,
        unit.variant_key,
        coalesce(unit.cluster_id, 'unit ' || unit.unit_id) as cluster_id,
        unit.mature_on,
        count(*) as n,
        {%- for v in variables %}
        sum(unit.{{ v }} - centre.centre_{{ v }}) as total_{{ v }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ ref('experiments__unit_metric') }} as unit
    inner join centre on unit.plan_key = centre.plan_key and unit.variant_key = centre.variant_key
    group by
        unit.plan_key, unit.variant_key, coalesce(unit.cluster_id, 'unit ' || unit.unit_id), unit.mature_on
)

select
    size.plan_key,
    size.variant_key,
    size.cluster_id,
    size.mature_on,
    size.n,
    {%- for v in variables %}
    coalesce(active.total_{{ v }}, 0)
    + (size.n - coalesce(active.n, 0))
    * ({{ 'centre.silent' if v in ('numerator', 'covariate') else '0' }} - centre.centre_{{ v }})
        as total_{{ v }}{{ ',' if not loop.last }}
    {%- endfor %}
from size
inner join centre on size.plan_key = centre.plan_key and size.variant_key = centre.variant_key
left join active
    on
        size.plan_key = active.plan_key
        and size.variant_key = active.variant_key
        and size.cluster_id = active.cluster_id
        and size.mature_on = active.mature_on
