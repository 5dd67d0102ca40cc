-- Which metrics moved most, and do their arms rest on all of their units? One row per comparison, most striking first within
-- each experiment: the effect in standard errors, its lift with the interval, what the covariate changed, and what was set
-- aside. For the question "this metric dropped: is it the treatment, the data or chance?".

with results as (
    select * from {{ ref('experiment_results') }}
    where population = 'assigned' and dimension = 'all'
),

set_aside as (
    select
        exp_id,
        sum(case when input = 'assignment' then n_rows else 0 end) as assignment_rows,
        sum(case when input = 'kpi_outcome' then n_rows else 0 end) as outcome_rows
    from {{ ref('experiment_data_issue') }}
    where exp_id is not null
    group by exp_id
),

concerns as (
    select
        exp_id,
        count(*) as n_concerns
    from {{ ref('experiment_health') }}
    where status in ('warn', 'fail')
    group by exp_id
)

select
    results.exp_id,
    results.metric_id,
    results.variant_id,
    results.role,
    results.status,
    results.effect / nullif(results.effect_se, 0) as effect_in_standard_errors,
    results.lift,
    results.lift_ci_low,
    results.lift_ci_high,
    results.p_value_adjusted,
    results.is_significant,
    (results.effect - results.effect_unadjusted) / nullif(results.effect_unadjusted_se, 0) as moved_by_covariate,
    results.n_control,
    results.n_treatment,
    results.maturity_share,
    coalesce(set_aside.assignment_rows, 0) as assignment_rows_set_aside,
    coalesce(set_aside.outcome_rows, 0) as outcome_rows_set_aside,
    coalesce(concerns.n_concerns, 0) as health_concerns
from results
left join set_aside on results.exp_id = set_aside.exp_id
left join concerns on results.exp_id = concerns.exp_id
order by results.exp_id, abs(results.effect / nullif(results.effect_se, 0)) desc
