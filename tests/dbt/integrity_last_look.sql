-- The last look of the daily chart is the result: two ways to the same number, and readers will compare them.

with last_look as (
    select
        *,
        row_number() over (
            partition by exp_id, metric_id, variant_id, population, dimension, segment order by look_date desc
        ) as place
    from {{ ref('experiment_results_daily') }}
)

select
    results.exp_id,
    results.metric_id,
    results.variant_id,
    results.status,
    last_look.status as status_of_last_look,
    results.n_control,
    last_look.n_control as n_control_of_last_look,
    results.effect,
    last_look.effect as effect_of_last_look
from {{ ref('experiment_results') }} as results
left join last_look
    on
        results.exp_id = last_look.exp_id
        and results.metric_id = last_look.metric_id
        and results.variant_id = last_look.variant_id
        and results.population = last_look.population
        and results.dimension = last_look.dimension
        and results.segment = last_look.segment
        and last_look.place = 1
where
    last_look.exp_id is null
    or results.status <> last_look.status
    or results.estimator <> last_look.estimator
    or results.n_control <> last_look.n_control
    or results.n_treatment <> last_look.n_treatment
    {%- for column in ['effect', 'effect_se', 'effect_ci_low', 'effect_ci_high', 'lift', 'p_value'] %}
    or results.{{ column }} is distinct from last_look.{{ column }}
    {%- endfor %}
