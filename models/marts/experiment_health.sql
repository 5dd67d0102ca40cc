-- Can the experiment be trusted: every check of every experiment, with its numbers and a sentence. A check that does not apply
-- is a row that says so, so that silence never looks like health.
{#- Estimators that take a difference as normal and have no correction where it is skewed: UNCORRECTED in python_stats. #}
{%- set uncorrected = "'regression', 'poststratified', 'difference_in_differences', 'cace', 'cr3', 'wild_bootstrap'" %}

with experiment as (
    select
        experiment.*,
        clock.as_of,
        clock.run_date,
        experiment.end_time is null or cast(experiment.end_time as date) > clock.as_of as is_running
    from {{ ref('experiments__experiment') }} as experiment
    cross join {{ ref('experiments__analysis_date') }} as clock
),

configuration as (
    select
        exp_id,
        'configuration' as check_name,
        'all' as scope,
        case
            when config_issue is not null then 'fail'
            when setting_issue is not null then 'warn'
            else 'pass'
        end as status,
        cast(null as {{ dbt_experiments.type_double() }}) as statistic,
        cast(null as {{ dbt_experiments.type_double() }}) as p_value,
        cast(null as {{ dbt_experiments.type_double() }}) as threshold,
        case config_issue
            when 'no_variants' then 'The experiment has fewer than two variants.'
            when 'no_control' then
                'It is not clear which variant is the control: name one `control`, or set is_control for exactly one.'
            when 'bad_traffic' then 'The planned traffic does not add up to 1 or 100, so the allocation cannot be checked.'
            else
                case
                    when setting_issue is null then 'One control, and planned traffic that adds up.'
                    when setting_issue = 'ends_before_start' then 'The experiment ends before it starts.'
                    when setting_issue = 'no_planned_units'
                        then 'The sequential method needs planned_units; the experiment is analysed with a fixed horizon.'
                    when setting_issue = 'unknown_sequential_method'
                        then 'The sequential method is not known; the experiment is analysed with a fixed horizon.'
                    else
                        'A setting of the experiment cannot be read (' || setting_issue
                        || '); the default of the project is used instead.'
                end
        end as message
    from experiment
),

counted as (
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
),

srm as (
    select
        experiment.exp_id,
        check_kind.check_name,
        'all' as scope,
        case
            when allocation.note is not null then 'fail'
            when allocation.p_value is null then 'not_applicable'
            when allocation.p_value < {{ var('srm_fail_alpha') }} then 'fail'
            when allocation.p_value < {{ var('srm_warn_alpha') }} then 'warn'
            else 'pass'
        end as status,
        allocation.statistic,
        allocation.p_value,
        {{ var('srm_fail_alpha') }} as threshold,
        case
            when allocation.note = 'empty_arm' then 'A variant with planned traffic has no units.'
            when allocation.note = 'unplanned_arm' then 'A variant without planned traffic has units.'
            when allocation.p_value is null then 'No allocation to check: no assigned units, or no usable planned traffic.'
            else
                'Assigned ' || case when counted.counts_clusters then 'clusters' else 'units' end
                || ' by variant: ' || counted.observed || '; planned shares: ' || counted.planned
                || '; largest deviation from the expected count '
                || {{ dbt_experiments.decimal_text('100 * allocation.deviation', 2) }} || ' %, '
                || {{ dbt_experiments.p_text('allocation.p_value') }}
                || case
                    when check_kind.check_name = 'srm_sequential' then ' (may be read every day).' else '.'
                end
        end as message
    from experiment
    cross join (
        select 'srm' as check_name
        union all
        select 'srm_sequential' as check_name
    ) as check_kind
    left join {{ ref('experiments__allocation') }} as allocation
        on experiment.exp_id = allocation.exp_id and check_kind.check_name = allocation.check_name
    left join counted on experiment.exp_id = counted.exp_id and counted.population = 'assigned'
),

-- Never a failure: decisions rest on all assigned units, whoever was exposed.
exposure_balance as (
    select
        experiment.exp_id,
        'exposure_balance' as check_name,
        'all' as scope,
        case
            when exposure.note is not null or exposure.p_value is null then 'not_applicable'
            when exposure.p_value < {{ var('srm_warn_alpha') }} then 'warn'
            else 'pass'
        end as status,
        case when exposure.note is null then exposure.statistic end as statistic,
        case when exposure.note is null then exposure.p_value end as p_value,
        {{ var('srm_warn_alpha') }} as threshold,
        case
            when exposure.note = 'empty_arm' then
                'Exposure was not recorded in every variant (' || counted.observed
                || '): the exposed cannot be compared where it was not; the estimator `cace` needs no exposures in the control.'
            when exposure.note = 'unplanned_arm' then 'A variant without planned traffic has exposed units.'
            when exposure.p_value is null then 'No exposures are given, or no usable planned traffic.'
            else
                'Exposed ' || case when counted.counts_clusters then 'clusters' else 'units' end
                || ' by variant: ' || counted.observed || '; planned shares: ' || counted.planned
                || '; largest deviation from the expected count '
                || {{ dbt_experiments.decimal_text('100 * exposure.deviation', 2) }} || ' %, '
                || {{ dbt_experiments.p_text('exposure.p_value') }}
                || case
                    when exposure.p_value < {{ var('srm_fail_alpha') }} then
                        '. Who is exposed depends on the variant: do not use the results of the population `exposed`.'
                    else '.'
                end
        end as message
    from experiment
    left join {{ ref('experiments__allocation') }} as exposure
        on experiment.exp_id = exposure.exp_id and exposure.check_name = 'exposure_balance'
    left join counted on experiment.exp_id = counted.exp_id and counted.population = 'exposed'
),

seen as (
    select
        exp_id,
        variant_id,
        count(distinct unit_id) as n_units
    from {{ ref('experiments__assignment_issue') }}
    where reason = 'multiple_variants'
    group by exp_id, variant_id
),

multiple as (
    select
        experiment.exp_id,
        coalesce(max(excluded.n_units), 0) as n_excluded,
        coalesce(max(kept.n_units), 0) as n_kept,
        max(by_variant.listed) as listed
    from experiment
    left join (
        select exp_id, count(distinct unit_id) as n_units
        from {{ ref('experiments__assignment_issue') }}
        where reason = 'multiple_variants'
        group by exp_id
    ) as excluded on experiment.exp_id = excluded.exp_id
    left join (
        select exp_id, sum(n_units) as n_units from {{ ref('experiments__assignment_count') }} group by exp_id
    ) as kept on experiment.exp_id = kept.exp_id
    left join (
        select
            exp_id,
            {{ dbt.listagg("variant_id || ' ' || cast(n_units as " ~ dbt.type_string() ~ ")", "', '", 'order by variant_id') }}
                as listed
        from seen
        group by exp_id
    ) as by_variant on experiment.exp_id = by_variant.exp_id
    group by experiment.exp_id
),

multiple_variants as (
    select
        exp_id,
        'multiple_variants' as check_name,
        'all' as scope,
        case
            when n_excluded + n_kept = 0 then 'not_applicable'
            when n_excluded * 1.0 / (n_excluded + n_kept) > {{ var('multiple_variants_fail_share') }} then 'fail'
            when n_excluded * 1.0 / (n_excluded + n_kept) > {{ var('multiple_variants_warn_share') }} then 'warn'
            else 'pass'
        end as status,
        n_excluded * 1.0 / nullif(n_excluded + n_kept, 0) as statistic,
        cast(null as {{ dbt_experiments.type_double() }}) as p_value,
        {{ var('multiple_variants_fail_share') }} as threshold,
        case
            when n_excluded + n_kept = 0 then 'No assigned units.'
            when n_excluded = 0 then 'No unit was seen in more than one variant.'
            else
                cast(n_excluded as {{ dbt.type_string() }})
                || ' units were seen in more than one variant and are excluded from every estimate (by variant: '
                || listed || ').'
        end as message
    from multiple
),

rejected as (
    select
        exp_id,
        sum(n_rows) as n_rejected
    from {{ ref('experiments__kpi_outcome_issue') }}
    where reason not in ('unknown_kpi', 'unknown_experiment')
    group by exp_id
),

missing_outcomes as (
    select
        experiment.exp_id,
        'missing_outcomes' as check_name,
        'all' as scope,
        case
            when coalesce(facts.n_rows, 0) = 0 then 'warn'
            when unseen.n_metrics > 0 then 'warn'
            when
                coalesce(rejected.n_rejected, 0) * 1.0 / facts.n_rows > {{ var('rejected_outcomes_warn_share') }}
                then 'warn'
            else 'pass'
        end as status,
        coalesce(rejected.n_rejected, 0) * 1.0 / nullif(facts.n_rows, 0) as statistic,
        cast(null as {{ dbt_experiments.type_double() }}) as p_value,
        {{ var('rejected_outcomes_warn_share') }} as threshold,
        case
            when coalesce(facts.n_rows, 0) = 0 then 'The experiment has no outcome rows.'
            when unseen.n_metrics > 0 then 'Planned metrics whose kpi was never seen: ' || unseen.listed || '.'
            else
                cast(coalesce(rejected.n_rejected, 0) as {{ dbt.type_string() }}) || ' of '
                || cast(facts.n_rows as {{ dbt.type_string() }})
                || ' outcome rows were set aside; experiment_data_issue lists them.'
        end as message
    from experiment
    left join (
        select exp_id, sum(n_rows) as n_rows
        from {{ ref('experiments__kpi_profile') }}
        where input = 'kpi_outcome'
        group by exp_id
    ) as facts on experiment.exp_id = facts.exp_id
    left join rejected on experiment.exp_id = rejected.exp_id
    left join (
        select
            exp_id,
            count(*) as n_metrics,
            {{ dbt.listagg('metric_id', "', '", 'order by metric_id') }} as listed
        from {{ ref('experiments__experiment_metric') }}
        where issue = 'unknown_kpi'
        group by exp_id
    ) as unseen on experiment.exp_id = unseen.exp_id
),

balance as (
    select
        experiment.exp_id,
        'balance' as check_name,
        'all' as scope,
        case
            when worst.p_value is null then 'not_applicable'
            when worst.p_value * worst.n_tests < {{ var('balance_warn_alpha') }} then 'warn'
            else 'pass'
        end as status,
        worst.statistic,
        case when worst.p_value * worst.n_tests > 1 then 1 else worst.p_value * worst.n_tests end as p_value,
        {{ var('balance_warn_alpha') }} as threshold,
        case
            when worst.p_value is null then 'No metric has a pre-period to compare.'
            else
                'Of ' || cast(worst.n_tests as {{ dbt.type_string() }})
                || ' pre-period comparisons the least balanced is ' || worst.metric_id || ' (' || worst.variant_id
                || '), ' || {{ dbt_experiments.p_text('worst.p_value') }} || ' before correction.'
        end as message
    from experiment
    left join (
        select
            *,
            count(*) over (partition by exp_id) as n_tests,
            row_number() over (partition by exp_id order by p_value, metric_id, variant_id) as place
        from {{ ref('experiments__allocation') }}
        where check_name = 'balance'
    ) as worst on experiment.exp_id = worst.exp_id and worst.place = 1
),

normal_approximation as (
    select
        experiment.exp_id,
        'normal_approximation' as check_name,
        'all' as scope,
        case
            when skewed.largest is null then 'not_applicable'
            when skewed.largest > {{ var('skewness_limit') }} or skewed.is_uncorrected then 'warn'
            else 'pass'
        end as status,
        skewed.largest as statistic,
        cast(null as {{ dbt_experiments.type_double() }}) as p_value,
        {{ var('skewness_limit') }} as threshold,
        case
            when skewed.largest is null then 'No mean or ratio that is compared by its moments.'
            when skewed.largest > {{ var('skewness_limit') }} then
                'The difference of ' || skewed.metric_id || ' has the skewness '
                || {{ dbt_experiments.decimal_text('skewed.largest', 2) }}
                || ': too far from normal for a test. Cap the metric, plan the estimator permutation, trimmed or '
                || 'mann_whitney, or give the smaller arm more traffic.'
            when skewed.is_uncorrected then
                'The difference of ' || skewed.metric_id || ' has the skewness '
                || {{ dbt_experiments.decimal_text('skewed.largest', 2) }} || ', and the planned estimator '
                || skewed.estimator || ' has no correction for it: its p-value is too small on one side. Compare it with '
                || 'the corrected estimates in metric_estimate.'
            else 'The differences are close enough to normal for their tests, or compared by a corrected one (skewness '
                || 'at most ' || {{ dbt_experiments.decimal_text('skewed.largest', 2) }} || ').'
        end as message
    from experiment
    left join (
        select
            exp_id,
            metric_id,
            estimator,
            abs(effect_skewness) as largest,
            abs(effect_skewness) > {{ var('skewness_corrected_from') }}
            and estimator in ({{ uncorrected }}) as is_uncorrected,
            row_number() over (
                partition by exp_id
                order by
                    abs(effect_skewness) > {{ var('skewness_limit') }} desc,
                    estimator in ({{ uncorrected }}) desc,
                    abs(effect_skewness) desc,
                    metric_id asc,
                    variant_id asc
            ) as place
        from {{ ref('experiment_results') }}
        where
            population = 'assigned' and effect_skewness is not null
            and metric_type not in ('proportion', 'retention')
    ) as skewed
        on experiment.exp_id = skewed.exp_id and skewed.place = 1
),

clusters as (
    select
        experiment.exp_id,
        'few_clusters' as check_name,
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
    from experiment
    left join (
        select exp_id, min(clusters_control + clusters_treatment) as n_clusters
        from {{ ref('experiment_results') }}
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
),

assignment_rate as (
    select
        experiment.exp_id,
        'assignment_rate' as check_name,
        'all' as scope,
        case
            when eligible.n_eligible is null then 'not_applicable'
            when eligible.n_assigned * 1.0 / eligible.n_eligible < {{ var('assignment_rate_warn_share') }} then 'warn'
            else 'pass'
        end as status,
        eligible.n_assigned * 1.0 / nullif(eligible.n_eligible, 0) as statistic,
        cast(null as {{ dbt_experiments.type_double() }}) as p_value,
        {{ var('assignment_rate_warn_share') }} as threshold,
        case
            when eligible.n_eligible is null then 'No eligible units are given.'
            else
                cast(eligible.n_assigned as {{ dbt.type_string() }}) || ' of '
                || cast(eligible.n_eligible as {{ dbt.type_string() }}) || ' eligible units were assigned.'
        end as message
    from experiment
    left join (
        select
            input.exp_id,
            count(distinct input.unit_id) as n_eligible,
            count(distinct unit.unit_id) as n_assigned
        from {{ ref('experiments__input_eligible_unit') }} as input
        cross join {{ ref('experiments__analysis_date') }} as clock
        left join {{ ref('experiments__assignment') }} as unit on input.exp_id = unit.exp_id and input.unit_id = unit.unit_id
        where input.eligible_at < clock.as_of and input.unit_id is not null
        group by input.exp_id
    ) as eligible on experiment.exp_id = eligible.exp_id
),

late_data as (
    select
        experiment.exp_id,
        'late_data' as check_name,
        'all' as scope,
        case
            when facts.n_late is null then 'not_applicable'
            when facts.n_late * 1.0 / facts.n_rows > {{ var('late_data_warn_share') }} then 'warn'
            else 'pass'
        end as status,
        facts.n_late * 1.0 / nullif(facts.n_rows, 0) as statistic,
        cast(null as {{ dbt_experiments.type_double() }}) as p_value,
        {{ var('late_data_warn_share') }} as threshold,
        case
            when facts.n_late is null then 'The outcomes do not say when they were loaded.'
            else
                cast(facts.n_late as {{ dbt.type_string() }}) || ' of ' || cast(facts.n_rows as {{ dbt.type_string() }})
                || ' outcome rows were loaded more than {{ var("late_data_days") }} days after their day.'
        end as message
    from experiment
    left join (
        select exp_id, sum(n_late) as n_late, sum(n_rows) as n_rows
        from {{ ref('experiments__kpi_profile') }}
        where input = 'kpi_outcome'
        group by exp_id
    ) as facts on experiment.exp_id = facts.exp_id
),

freshness as (
    select
        experiment.exp_id,
        'freshness' as check_name,
        'all' as scope,
        case
            when not experiment.is_running then 'not_applicable'
            when {{ 'true' if var('as_of') is not none else 'false' }} then 'not_applicable'
            when facts.last_date is null then 'warn'
            when
                {{ dbt_experiments.day_offset('facts.last_date', 'experiment.run_date') }}
                > {{ var('freshness_warn_days') }} then 'warn'
            else 'pass'
        end as status,
        case
            when experiment.is_running
                then {{ dbt_experiments.day_offset('facts.last_date', 'experiment.run_date') }}
        end as statistic,
        cast(null as {{ dbt_experiments.type_double() }}) as p_value,
        {{ var('freshness_warn_days') }} as threshold,
        case
            when not experiment.is_running then 'The experiment has ended.'
            when {{ 'true' if var('as_of') is not none else 'false' }} then 'The analysis is made for a given date.'
            when facts.last_date is null then 'The experiment has no outcome rows.'
            else
                'The newest outcome is of ' || cast(facts.last_date as {{ dbt.type_string() }}) || ', the run of '
                || cast(experiment.run_date as {{ dbt.type_string() }}) || '.'
        end as message
    from experiment
    left join (
        select exp_id, max(last_past_date) as last_date
        from {{ ref('experiments__kpi_profile') }}
        where input = 'kpi_outcome'
        group by exp_id
    ) as facts on experiment.exp_id = facts.exp_id
),

underpowered as (
    select
        experiment.exp_id,
        'underpowered' as check_name,
        coalesce(precision_of.metric_id || ' / ' || precision_of.variant_id, 'all') as scope,
        case
            when experiment.is_running or precision_of.power_for_mde is null then 'not_applicable'
            when precision_of.power_for_mde < precision_of.power_planned then 'warn'
            else 'pass'
        end as status,
        precision_of.power_for_mde as statistic,
        cast(null as {{ dbt_experiments.type_double() }}) as p_value,
        experiment.power as threshold,
        case
            when precision_of.power_for_mde is null then 'The plan names no effect that the primary metric should detect.'
            when experiment.is_running then 'The experiment is still running.'
            else
                'At its final precision the experiment had a power of '
                || {{ dbt_experiments.decimal_text('100 * precision_of.power_for_mde', 1) }}
                || ' % for the planned effect of ' || precision_of.metric_id || '.'
        end as message
    from experiment
    left join (
        select * from {{ ref('experiment_power') }} where role = 'primary'
    ) as precision_of on experiment.exp_id = precision_of.exp_id
),

ramp as (
    select
        experiment.exp_id,
        'ramp' as check_name,
        'all' as scope,
        case when coalesce(phases.n_phases, 1) > 1 then 'warn' else 'not_applicable' end as status,
        cast(coalesce(phases.n_phases, 1) as {{ dbt_experiments.type_double() }}) as statistic,
        cast(null as {{ dbt_experiments.type_double() }}) as p_value,
        cast(1 as {{ dbt_experiments.type_double() }}) as threshold,
        case
            when coalesce(phases.n_phases, 1) > 1 then
                'The allocation changed while units came: estimates pool the phases, and a metric that moved over time can '
                || 'bias them.'
            else 'The allocation was the same for all units.'
        end as message
    from experiment
    left join (
        select exp_id, count(distinct phase) as n_phases from {{ ref('experiments__assignment_count') }} group by exp_id
    ) as phases on experiment.exp_id = phases.exp_id
),

not_offered as (
    select
        experiment.exp_id,
        check_kind.check_name,
        'all' as scope,
        'not_applicable' as status,
        cast(null as {{ dbt_experiments.type_double() }}) as statistic,
        cast(null as {{ dbt_experiments.type_double() }}) as p_value,
        cast(null as {{ dbt_experiments.type_double() }}) as threshold,
        check_kind.message
    from experiment
    cross join (
        select 'srm_segment' as check_name, 'The allocation within segments is not checked yet.' as message
        union all
        select 'design_change' as check_name, 'Changes of the design after launch are not recorded yet.' as message
    ) as check_kind
)
{% for check_name in [
    'configuration', 'srm', 'exposure_balance', 'multiple_variants', 'missing_outcomes', 'balance', 'normal_approximation',
    'clusters', 'assignment_rate', 'late_data', 'freshness', 'underpowered', 'ramp', 'not_offered'
] %}
select
    exp_id,
    check_name,
    scope,
    status,
    cast(statistic as {{ dbt_experiments.type_double() }}) as statistic,
    cast(p_value as {{ dbt_experiments.type_double() }}) as p_value,
    cast(threshold as {{ dbt_experiments.type_double() }}) as threshold,
    message
from {{ check_name }}
{{ 'union all' if not loop.last }}
{%- endfor %}
