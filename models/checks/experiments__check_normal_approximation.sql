-- Is the difference of each metric near enough to normal for the test that it has?

select
    experiment.exp_id,
    'all' as scope,
    case
        when skewed.largest is null then 'not_applicable'
        when skewed.largest > {{ var('skewness_limit') }} or skewed.is_warned_of then 'warn'
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
        when skewed.is_warned_of then
            'The difference of ' || skewed.metric_id || ' has the skewness '
            || {{ dbt_experiments.decimal_text('skewed.largest', 2) }} || ', and the planned estimator '
            || skewed.estimator || ' has no correction for it: its p-value is too small on one side. Compare it with '
            || 'the corrected estimates in metric_estimate.'
        else 'The differences are close enough to normal for their tests, or compared by a corrected one (skewness '
            || 'at most ' || {{ dbt_experiments.decimal_text('skewed.largest', 2) }} || ').'
    end as message
from {{ ref('experiments__experiment') }} as experiment
left join (
    select
        exp_id,
        metric_id,
        estimator,
        abs(effect_skewness) as largest,
        abs(effect_skewness) > {{ var('skewness_corrected_from') }}
        and is_uncorrected as is_warned_of,
        row_number() over (
            partition by exp_id
            order by
                abs(effect_skewness) > {{ var('skewness_limit') }} desc,
                is_uncorrected desc,
                abs(effect_skewness) desc,
                metric_id asc,
                variant_id asc
        ) as place
    from {{ ref('experiments__result') }}
    where
        population = 'assigned' and effect_skewness is not null
        and metric_type not in ('proportion', 'retention')
) as skewed
    on experiment.exp_id = skewed.exp_id and skewed.place = 1
