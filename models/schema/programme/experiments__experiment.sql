-- One row per experiment, with its settings completed and the reason, if any, why it cannot be analysed.

with input as (
    select
        *,
        {{ dbt_experiments.occurrence('experiment') }} as occurrence
    from {{ ref('experiments__input_experiment') }}
    where exp_id is not null
),

arms as (
    select
        exp_id,
        count(*) as n_variants,
        count(case when is_control then 1 end) as n_controls,
        max(case when is_control then variant_id end) as control_variant_id,
        min(case when has_bad_traffic then 0 else 1 end) as has_good_traffic
    from {{ ref('experiments__variant') }}
    group by exp_id
)

select
    input.exp_id,
    cast(row_number() over (order by input.exp_id) as integer) as exp_key,
    input.name,
    input.hypothesis,
    input.owner,
    input.unit,
    input.start_time,
    input.end_time,
    input.primary_kpi,
    case
        when input.alpha > 0 and input.alpha < 1 then input.alpha else {{ var('alpha') }}
    end as alpha,
    case
        when input.power > 0 and input.power < 1 then input.power else {{ var('power') }}
    end as power,
    input.planned_units,
    coalesce(input.min_duration_days, {{ var('min_duration_days') }}) as min_duration_days,
    input.max_duration_days,
    {{ dbt_experiments.sequential_setting('method') }} as sequential_method,
    {{ dbt_experiments.sequential_setting('parameter') }} as sequential_parameter,
    case
        when lower(input.correction) in {{ dbt_experiments.words_of('correction') }}
            then lower(input.correction)
    end as correction,
    input.cluster_unit,
    case when arms.n_controls = 1 then arms.control_variant_id end as control_variant_id,
    coalesce(arms.n_variants, 0) as n_variants,
    case
        when coalesce(arms.n_variants, 0) < 2 then 'no_variants'
        when arms.n_controls <> 1 then 'no_control'
        when arms.has_good_traffic = 0 then 'bad_traffic'
    end as config_issue,
    -- A setting that cannot be read is replaced by the project's default, and said so.
    case
        when not (input.alpha > 0 and input.alpha < 1) then 'bad_alpha'
        when not (input.power > 0 and input.power < 1) then 'bad_power'
        when lower(input.correction) not in {{ dbt_experiments.words_of('correction') }}
            then 'unknown_correction'
        when input.end_time <= input.start_time then 'ends_before_start'
        else {{ dbt_experiments.sequential_setting('issue') }}
    end as setting_issue
from input
left join arms on input.exp_id = arms.exp_id
where input.occurrence = 1
