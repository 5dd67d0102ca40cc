-- Experiments, variants, metrics and plans that cannot be used as they were given, and why.

with experiment as (
    select
        exp_id,
        case
            when exp_id is null then 'null_key'
            when {{ dbt_experiments.occurrence('experiment') }} > 1 then 'duplicate_experiment'
        end as reason
    from {{ ref('experiments__input_experiment') }}

    union all

    select
        exp_id,
        config_issue as reason
    from {{ ref('experiments__experiment') }}

    union all

    select
        exp_id,
        setting_issue as reason
    from {{ ref('experiments__experiment') }}
),

variant as (
    select
        input.exp_id,
        input.variant_id,
        case
            when input.exp_id is null or input.variant_id is null then 'null_key'
            when input.exp_id not in (select exp_id from {{ ref('experiments__experiment') }}) then 'unknown_experiment'
            when
                {{ dbt_experiments.occurrence('variant', 'input') }} > 1 then 'duplicate_variant'
        end as reason
    from {{ ref('experiments__input_variant') }} as input
),

metric as (
    select
        metric_id,
        case
            when metric_id is null then 'null_key'
            when {{ dbt_experiments.occurrence('metric') }} > 1
                then 'duplicate_metric'
        end as reason
    from {{ ref('experiments__input_metric') }}

    union all

    select metric_id, issue as reason
    from {{ ref('experiments__metric') }}
    where is_defined
),

plan as (
    select
        input.exp_id,
        input.metric_id,
        case
            when input.exp_id is null or input.metric_id is null then 'null_key'
            when input.exp_id not in (select exp_id from {{ ref('experiments__experiment') }}) then 'unknown_experiment'
            when
                {{ dbt_experiments.occurrence('experiment_metric', 'input') }} > 1
                then 'duplicate_plan'
        end as reason
    from {{ ref('experiments__input_experiment_metric') }} as input

    union all

    select exp_id, metric_id, issue as reason
    from {{ ref('experiments__experiment_metric') }}
)

select 'experiment' as input, exp_id, {{ dbt_experiments.row_key({'exp_id': 'exp_id'}) }} as key, reason
from experiment
where reason is not null

union all

select
    'variant' as input,
    exp_id,
    {{ dbt_experiments.row_key({'exp_id': 'exp_id', 'variant_id': 'variant_id'}) }} as key,
    reason
from variant
where reason is not null

union all

select
    'metric' as input,
    cast(null as {{ dbt.type_string() }}) as exp_id,
    {{ dbt_experiments.row_key({'metric_id': 'metric_id'}) }} as key,
    reason
from metric
where reason is not null

union all

select
    'experiment_metric' as input,
    exp_id,
    {{ dbt_experiments.row_key({'exp_id': 'exp_id', 'metric_id': 'metric_id'}) }} as key,
    reason
from plan
where reason is not null
