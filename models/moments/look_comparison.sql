-- Treatment and control side by side at every look: the one frame the statistics read. One row per planned metric, treatment
-- and look; a planned comparison without mature units has one row with counts of zero.
{%- set variables = dbt_experiments.moment_variables() %}
{%- set pairs = dbt_experiments.moment_pairs() %}

with plan as (
    select
        plan.plan_key,
        plan.exp_id,
        plan.metric_id,
        plan.role,
        -- A plan that cannot be read has its issue as its status; the estimators still run over the whole column.
        case when plan.alternative in ('greater', 'less') then plan.alternative else 'two_sided' end as alternative,
        plan.effect_scale,
        plan.mde,
        plan.non_inferiority_margin,
        plan.estimator,
        -- Traffic that does not add up spoils the allocation check, not the estimates.
        coalesce(nullif(experiment.config_issue, 'bad_traffic'), plan.issue) as issue,
        experiment.control_variant_id,
        experiment.alpha,
        experiment.power,
        experiment.correction,
        coalesce(metric.metric_type, 'auto') as metric_type,
        clock.as_of
    from {{ ref('experiment_metric') }} as plan
    inner join {{ ref('experiment') }} as experiment on plan.exp_id = experiment.exp_id
    left join {{ ref('metric') }} as metric on plan.metric_id = metric.metric_id
    cross join {{ ref('analysis_date') }} as clock
),

-- Without a control every variant is listed, so that the experiment shows and says why it has no numbers.
comparison as (
    select
        plan.*,
        variant.variant_id
    from plan
    inner join {{ ref('variant') }} as variant on plan.exp_id = variant.exp_id
    where plan.control_variant_id is null or variant.variant_id <> plan.control_variant_id
),

resolved as (
    select
        plan_key,
        sum(n_not_binary) as n_not_binary
    from {{ ref('metric_moment') }}
    group by plan_key
),

look as (
    select distinct plan_key, look_date, is_last_look from {{ ref('look_moment') }}
)

select
    comparison.plan_key,
    comparison.exp_id,
    comparison.metric_id,
    comparison.variant_id,
    comparison.control_variant_id,
    'assigned' as population,
    'all' as dimension,
    'all' as segment,
    coalesce(look.look_date, comparison.as_of) as look_date,
    coalesce(look.is_last_look, true) as is_last_look,
    comparison.role,
    case
        when comparison.metric_type <> 'auto' then comparison.metric_type
        when resolved.n_not_binary = 0 then 'proportion'
        else 'mean'
    end as metric_type,
    comparison.alternative,
    comparison.effect_scale,
    comparison.mde,
    comparison.non_inferiority_margin,
    comparison.estimator,
    comparison.alpha,
    comparison.power,
    comparison.correction,
    case
        when comparison.issue is not null then comparison.issue
        when comparison.metric_type in ('proportion', 'retention') and resolved.n_not_binary > 0 then 'not_binary'
    end as issue,
    comparison.exp_id in (select exp_id from {{ ref('cluster_size') }}) as is_clustered
    {%- for arm in ['control', 'treatment'] %},
    coalesce({{ arm }}.n, 0) as n_{{ arm }},
    {%- for v in variables %}
    {{ arm }}.mean_{{ v }} as mean_{{ v }}_{{ arm }},
    {%- endfor %}
    {%- for a, b in pairs %}
    {{ arm }}.{{ dbt_experiments.moment_name(a, b) }} as {{ dbt_experiments.moment_name(a, b) }}_{{ arm }},
    {%- endfor %}
    {{ arm }}_cluster.clusters as clusters_{{ arm }},
    {{ arm }}_cluster.satterthwaite_trace as satterthwaite_trace_{{ arm }}
    {%- for a, b in pairs %},
    {{ arm }}_cluster.{{ dbt_experiments.moment_name(a, b) }} as cluster_{{ dbt_experiments.moment_name(a, b) }}_{{ arm }}
    {%- endfor %}
    {%- endfor %}
from comparison
left join resolved on comparison.plan_key = resolved.plan_key
left join look on comparison.plan_key = look.plan_key
{%- for arm in ['control', 'treatment'] %}
{%- set variant_id = 'comparison.control_variant_id' if arm == 'control' else 'comparison.variant_id' %}
left join {{ ref('look_moment') }} as {{ arm }}
    on
        comparison.plan_key = {{ arm }}.plan_key
        and look.look_date = {{ arm }}.look_date
        and {{ variant_id }} = {{ arm }}.variant_id
left join {{ ref('cluster_moment') }} as {{ arm }}_cluster
    on
        comparison.plan_key = {{ arm }}_cluster.plan_key
        and look.look_date = {{ arm }}_cluster.look_date
        and {{ variant_id }} = {{ arm }}_cluster.variant_id
{%- endfor %}
-- Clustered experiments with very many clusters have cluster moments at the last look only; their other looks are left out,
-- because the moments of units would lie.
where
    comparison.exp_id not in (select exp_id from {{ ref('cluster_size') }})
    or coalesce(look.is_last_look, true)
    or control_cluster.clusters is not null
    or treatment_cluster.clusters is not null
