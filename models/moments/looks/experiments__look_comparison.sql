-- Treatment and control side by side at every look: the one frame the statistics read. One row per population, planned metric,
-- treatment and look; a planned comparison without mature units has one row with counts of zero.
{%- set variables = dbt_experiments.moment_variables() %}
{%- set pairs = dbt_experiments.moment_pairs() %}
{%- set triples = dbt_experiments.moment_triples() %}

with plan as (
    select
        plan.plan_key,
        plan.assigned_plan_key,
        plan.population,
        plan.is_clustered,
        plan.exp_id,
        plan.metric_id,
        plan.role,
        -- A plan that cannot be read has its issue as its status; the estimators still run over the whole column.
        case when plan.alternative in ('greater', 'less') then plan.alternative else 'two_sided' end as alternative,
        plan.effect_scale,
        plan.mde,
        plan.non_inferiority_margin,
        plan.benchmark,
        -- The effect on compliers is one of all assigned units; the exposed have the default beside it.
        case when plan.population = 'assigned' or plan.estimator <> 'cace' then plan.estimator end as estimator,
        -- Traffic that does not add up spoils the allocation check, not the estimates.
        coalesce(nullif(experiment.config_issue, 'bad_traffic'), plan.issue) as issue,
        experiment.control_variant_id,
        experiment.alpha,
        experiment.power,
        experiment.correction,
        experiment.planned_units,
        experiment.n_variants,
        -- An open window has one look, whenever one looks: values that go on growing are no schedule of looks. Nor have the
        -- exposed one: a plan says how many units will be assigned, not how many of them will be exposed.
        case
            when experiment.sequential_method in {{ dbt_experiments.words_of('always_valid') }}
                then experiment.sequential_method
            when plan.population = 'assigned' and (metric.window_end_day is not null or metric.metric_id is null)
                then experiment.sequential_method
        end as sequential_method,
        experiment.sequential_parameter,
        coalesce(metric.metric_type, 'auto') as metric_type,
        -- Days of the window per day of the pre-period, where totals of both can be compared: everywhere for ratios and
        -- for equal periods, for plain totals otherwise.
        case
            when metric.window_end_day is null or metric.covariate_days <= 0 then null
            when metric.denominator_kpi is not null then 1.0
            when metric.window_end_day - metric.window_start_day = metric.covariate_days then 1.0
            when
                metric.aggregation in ('sum', 'count', 'count_days')
                and metric.threshold is null and metric.cap_lower is null and metric.cap_upper is null
                then (metric.window_end_day - metric.window_start_day) * 1.0 / metric.covariate_days
        end as period_ratio,
        clock.as_of
    from {{ ref('experiments__population_plan') }} as plan
    inner join {{ ref('experiments__experiment') }} as experiment on plan.exp_id = experiment.exp_id
    left join {{ ref('experiments__metric') }} as metric on plan.metric_id = metric.metric_id
    cross join {{ ref('experiments__analysis_date') }} as clock
),

exposed_arm as (
    select distinct
        exp_id,
        variant_id
    from {{ ref('experiments__exposure_count') }}
),

-- Without a control every variant is listed, so that the experiment shows and says why it has no numbers.
comparison as (
    select
        plan.*,
        variant.variant_id,
        nullif(control.traffic_share + variant.traffic_share, 0) as planned_share,
        plan.population = 'exposed' and (exposed_control.exp_id is null or exposed_treatment.exp_id is null)
            as is_one_sided
    from plan
    inner join {{ ref('experiments__variant') }} as variant on plan.exp_id = variant.exp_id
    left join exposed_arm as exposed_control
        on plan.exp_id = exposed_control.exp_id and plan.control_variant_id = exposed_control.variant_id
    left join exposed_arm as exposed_treatment
        on plan.exp_id = exposed_treatment.exp_id and variant.variant_id = exposed_treatment.variant_id
    left join {{ ref('experiments__variant') }} as control
        on plan.exp_id = control.exp_id and plan.control_variant_id = control.variant_id
    where plan.control_variant_id is null or variant.variant_id <> plan.control_variant_id
),

resolved as (
    select
        plan_key,
        sum(n_not_binary) as n_not_binary
    from {{ ref('experiments__metric_moment') }}
    group by plan_key
),

look as (
    select
        plan_key,
        look_date,
        is_last_look,
        row_number() over (partition by plan_key order by look_date) as look_number
    from (select distinct plan_key, look_date, is_last_look from {{ ref('experiments__look_moment') }}) as seen
)

select
    comparison.plan_key,
    comparison.exp_id,
    comparison.metric_id,
    comparison.variant_id,
    comparison.control_variant_id,
    comparison.population,
    'all' as dimension,
    'all' as segment,
    coalesce(look.look_date, comparison.as_of) as look_date,
    coalesce(look.is_last_look, true) as is_last_look,
    comparison.role,
    case
        when comparison.metric_type <> 'auto' then comparison.metric_type
        -- A metric has one type in all populations, also where the exposed units happen to have zeros and ones only.
        when resolved.n_not_binary = 0 and of_assigned.n_not_binary = 0 then 'proportion'
        else 'mean'
    end as metric_type,
    comparison.period_ratio,
    comparison.alternative,
    comparison.effect_scale,
    comparison.mde,
    comparison.non_inferiority_margin,
    comparison.benchmark,
    comparison.estimator,
    comparison.alpha,
    comparison.power,
    comparison.correction,
    comparison.sequential_method,
    comparison.sequential_parameter,
    comparison.planned_units * coalesce(comparison.planned_share, 2.0 / nullif(comparison.n_variants, 0))
        as planned_pair_units,
    coalesce(look.look_number, 1) as look_number,
    case
        when comparison.issue is not null then comparison.issue
        -- Where one arm records no exposures, the exposed of the other have nothing to be compared with.
        when comparison.is_one_sided then 'one_sided_exposure'
        when
            comparison.metric_type in {{ dbt_experiments.words_of('rate') }}
            and resolved.n_not_binary > 0 then 'not_binary'
    end as issue,
    comparison.is_clustered
    {%- for arm in ['control', 'treatment'] %},
    coalesce({{ arm }}.n, 0) as n_{{ arm }},
    {%- for v in variables %}
    {{ arm }}.mean_{{ v }} as mean_{{ v }}_{{ arm }},
    {%- endfor %}
    {%- for a, b in pairs %}
    {{ arm }}.{{ dbt_experiments.moment_name(a, b) }} as {{ dbt_experiments.moment_name(a, b) }}_{{ arm }},
    {%- endfor %}
    {%- for name in triples %}
    {{ arm }}.{{ name }} as {{ name }}_{{ arm }},
    {%- endfor %}
    {{ arm }}_cluster.clusters as clusters_{{ arm }},
    {{ arm }}_cluster.satterthwaite_trace as satterthwaite_trace_{{ arm }},
    {{ arm }}_cluster.cluster_level as cluster_level_{{ arm }},
    {{ arm }}_cluster.cluster_level_trace as cluster_level_trace_{{ arm }}
    {%- for name in triples %},
    {{ arm }}_cluster.{{ name }} as cluster_{{ name }}_{{ arm }}
    {%- endfor %}
    {%- for a, b in pairs %},
    {{ arm }}_cluster.{{ dbt_experiments.moment_name(a, b) }} as cluster_{{ dbt_experiments.moment_name(a, b) }}_{{ arm }}
    {%- endfor %}
    {%- endfor %}
from comparison
left join resolved on comparison.plan_key = resolved.plan_key
left join resolved as of_assigned on comparison.assigned_plan_key = of_assigned.plan_key
left join look on comparison.plan_key = look.plan_key
{%- for arm in ['control', 'treatment'] %}
{%- set variant_id = 'comparison.control_variant_id' if arm == 'control' else 'comparison.variant_id' %}
left join {{ ref('experiments__look_moment') }} as {{ arm }}
    on
        comparison.plan_key = {{ arm }}.plan_key
        and look.look_date = {{ arm }}.look_date
        and {{ variant_id }} = {{ arm }}.variant_id
left join {{ ref('experiments__cluster_moment') }} as {{ arm }}_cluster
    on
        comparison.plan_key = {{ arm }}_cluster.plan_key
        and look.look_date = {{ arm }}_cluster.look_date
        and {{ variant_id }} = {{ arm }}_cluster.variant_id
{%- endfor %}
-- Clustered experiments with very many clusters have cluster moments at the last look only; their other looks are left out,
-- because the moments of units would lie.
where
    not comparison.is_clustered
    or coalesce(look.is_last_look, true)
    or control_cluster.clusters is not null
    or treatment_cluster.clusters is not null
