{{ config(materialized='view') }}
-- Rank sums of each treatment among the units of itself and the control, ties sharing their mean rank, with the tie term and
-- the variances of the placements: everything that rank tests need. Ranks come from counts per value, so a million units
-- with the value zero are one row.
{%- set double = dbt_experiments.type_double() %}

with counted as (
    select * from {{ ref('experiments__value_count') }}
    where estimator = 'mann_whitney'
),

arm as (
    select
        plan_key,
        variant_key,
        sum(n) as n
    from counted
    group by plan_key, variant_key
),

pair as (
    select
        treatment.plan_key,
        treatment.variant_key as treatment_key,
        control.variant_key as control_key,
        cast(treatment.n as {{ double }}) as n_treatment,
        cast(control.n as {{ double }}) as n_control
    from arm as treatment
    inner join {{ ref('experiments__variant') }} as treatment_variant on treatment.variant_key = treatment_variant.variant_key
    inner join {{ ref('experiments__experiment') }} as experiment on treatment_variant.exp_id = experiment.exp_id
    inner join {{ ref('experiments__variant') }} as control_variant
        on
            experiment.exp_id = control_variant.exp_id
            and experiment.control_variant_id = control_variant.variant_id
            and treatment_variant.variant_id <> control_variant.variant_id
    inner join arm as control
        on treatment.plan_key = control.plan_key and control_variant.variant_key = control.variant_key
),

tied as (
    select
        pair.plan_key,
        pair.treatment_key,
        pair.n_control,
        pair.n_treatment,
        counted.value,
        cast(sum(case counted.variant_key when pair.control_key then counted.n else 0 end) as {{ double }}) as control,
        cast(sum(case counted.variant_key when pair.treatment_key then counted.n else 0 end) as {{ double }}) as treatment
    from pair
    inner join counted
        on pair.plan_key = counted.plan_key and counted.variant_key in (pair.control_key, pair.treatment_key)
    group by pair.plan_key, pair.treatment_key, pair.n_control, pair.n_treatment, counted.value
),

-- The placement of a unit is the share of the other arm that it exceeds, ties counting one half; around one half here, so
-- that its squares keep their digits.
placed as (
    select
        *,
        sum(control + treatment) over below - (control + treatment - 1) / 2 as mean_rank,
        (sum(treatment) over below - treatment / 2) / n_treatment - 0.5 as placement_control,
        (sum(control) over below - control / 2) / n_control - 0.5 as placement_treatment
    from tied
    window below as (partition by plan_key, treatment_key order by value rows unbounded preceding)
),

summed as (
    select
        plan_key,
        treatment_key,
        n_control,
        n_treatment,
        sum(treatment * mean_rank) as rank_sum_treatment,
        sum(power(control + treatment, 3) - (control + treatment)) as tie_term
        {%- for arm in ['control', 'treatment'] %},
        sum({{ arm }} * placement_{{ arm }}) as sum_{{ arm }},
        sum({{ arm }} * placement_{{ arm }} * placement_{{ arm }}) as squares_{{ arm }}
        {%- endfor %}
    from placed
    group by plan_key, treatment_key, n_control, n_treatment
)

select
    summed.plan_key,
    variant.variant_id,
    cast(summed.n_control as {{ dbt.type_bigint() }}) as n_control,
    cast(summed.n_treatment as {{ dbt.type_bigint() }}) as n_treatment,
    summed.rank_sum_treatment,
    summed.tie_term
    {%- for arm in ['control', 'treatment'] %},
    case when summed.n_{{ arm }} > 1
        then greatest(0, summed.squares_{{ arm }} - power(summed.sum_{{ arm }}, 2) / summed.n_{{ arm }})
        / (summed.n_{{ arm }} - 1)
    end as var_placement_{{ arm }}
    {%- endfor %}
from summed
inner join {{ ref('experiments__variant') }} as variant on summed.treatment_key = variant.variant_key
