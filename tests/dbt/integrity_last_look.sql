-- The last look of the daily chart is the same estimator's estimate at `as_of`: two ways to the same number, and readers will
-- compare them. Where the headline is an estimator that is not followed from look to look, the chart shows what moments say.

with last_look as (
    select
        *,
        row_number() over (
            partition by {{ dbt_experiments.comparison_keys() | join(', ') }} order by look_date desc
        ) as place
    from {{ ref('experiment_results_daily') }}
)

select
    results.exp_id,
    results.metric_id,
    results.variant_id,
    last_look.estimator,
    estimate.status,
    last_look.status as status_of_last_look,
    estimate.n_control,
    last_look.n_control as n_control_of_last_look,
    estimate.effect,
    last_look.effect as effect_of_last_look
from {{ ref('experiment_results') }} as results
left join last_look
    on {{ dbt_experiments.same_comparison('results', 'last_look') }} and last_look.place = 1
left join {{ ref('metric_estimate') }} as estimate
    on
        {{ dbt_experiments.same_comparison('last_look', 'estimate') }}
        and last_look.estimator = estimate.estimator
where
    last_look.exp_id is null
    or (last_look.status <> 'estimator_unavailable' and estimate.exp_id is null)
    or (
        last_look.status <> 'estimator_unavailable'
        and (
            estimate.status <> last_look.status
            or estimate.n_control <> last_look.n_control
            or estimate.n_treatment <> last_look.n_treatment
            {%- for column in ['effect', 'effect_se', 'effect_ci_low', 'effect_ci_high', 'lift', 'p_value'] %}
            or estimate.{{ column }} is distinct from last_look.{{ column }}
            {%- endfor %}
        )
    )
