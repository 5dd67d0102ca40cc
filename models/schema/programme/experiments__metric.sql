-- The metric catalogue: what users defined, and a default for every kpi that nobody defined.

with defined as (
    select
        *,
        {{ dbt_experiments.occurrence('metric') }} as occurrence
    from {{ ref('experiments__input_metric') }}
    where metric_id is not null
),

kpi as (
    select kpi_name from {{ ref('experiments__kpi_profile') }} where kpi_name is not null
    union
    select primary_kpi as kpi_name from {{ ref('experiments__input_experiment') }} where primary_kpi is not null
),

completed as (
    select
        metric_id,
        coalesce(
            lower(metric_type),
            case
                when denominator_kpi is not null then 'ratio'
                when threshold is not null or lower(aggregation) = 'any' then 'proportion'
                else 'auto'
            end
        ) as metric_type,
        numerator_kpi,
        denominator_kpi,
        coalesce(
            lower(aggregation),
            case
                when lower(metric_type) in {{ dbt_experiments.words_of('rate') }} then 'any'
                -- Without an aggregation, a quantile is one of the single facts.
                when lower(metric_type) = 'quantile' then 'each'
                else 'sum'
            end
        ) as aggregation,
        window_start_day,
        window_end_day,
        threshold,
        cap_lower,
        cap_upper,
        lower(cap_kind) as cap_kind,
        quantile,
        coalesce(covariate_days, {{ var('default_covariate_days') }}) as covariate_days,
        lower(direction) as direction,
        description,
        true as is_defined
    from defined
    where occurrence = 1
),

defaults as (
    select
        kpi_name as metric_id,
        'auto' as metric_type,
        kpi_name as numerator_kpi,
        cast(null as {{ dbt.type_string() }}) as denominator_kpi,
        'sum' as aggregation,
        0 as window_start_day,
        {{ var('default_window_days') }} as window_end_day,
        cast(null as {{ dbt_experiments.type_double() }}) as threshold,
        cast(null as {{ dbt_experiments.type_double() }}) as cap_lower,
        cast(null as {{ dbt_experiments.type_double() }}) as cap_upper,
        'fixed' as cap_kind,
        cast(null as {{ dbt_experiments.type_double() }}) as quantile,
        {{ var('default_covariate_days') }} as covariate_days,
        'increase' as direction,
        'Total per assigned unit in the first {{ var("default_window_days") }} days' as description,
        false as is_defined
    from kpi
    where kpi_name not in (select metric_id from completed)
),

catalogue as (
    select * from completed
    union all
    select * from defaults
)

select
    metric_id,
    metric_type,
    numerator_kpi,
    denominator_kpi,
    aggregation,
    cast(window_start_day as {{ dbt.type_bigint() }}) as window_start_day,
    cast(window_end_day as {{ dbt.type_bigint() }}) as window_end_day,
    threshold,
    cap_lower,
    cap_upper,
    cap_kind,
    quantile,
    cast(covariate_days as {{ dbt.type_bigint() }}) as covariate_days,
    direction,
    description,
    is_defined,
    {{ dbt_experiments.metric_issue() }} as issue
from catalogue
