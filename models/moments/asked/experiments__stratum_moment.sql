{{ config(materialized='view') }}
-- Count, means and (co)variances per stratum of everything mature at `as_of`: the input of post-stratification. The strata
-- are those of the assignment, else the values of the attribute that the var `stratify_by` names. Empty where there are
-- none, and free where there can be none; experiments with more than `max_strata` of them are left out.
{%- set attribute = var('stratify_by') %}
{%- set has_stratum = dbt_experiments.input_has('assignment', 'stratum') %}
{#- Said at the facts as well, so that the engine need not read them to find that nobody asks. #}
{%- set may_have_strata = has_stratum or attribute is not none %}

with randomised_in_strata as (
    select distinct exp_id
    from {{ ref('experiments__assignment') }}
    where {{ 'stratum is not null' if has_stratum else 'false' }}
),

known as (
    select
        exp_id,
        unit_id,
        value
    from {{ ref('experiments__unit_attribute') }}
    where
        {{ 'attribute = ' ~ dbt.string_literal(dbt.escape_single_quotes(attribute)) if attribute else 'false' }}
        and exp_id not in (select exp_id from randomised_in_strata)
),

unit_stratum as (
    select
        unit_key,
        population_key,
        variant_key,
        anchored_on,
        anchored_at > cast(anchored_on as {{ dbt.type_timestamp() }}) as is_after_midnight,
        coalesce(stratum, '(none)') as stratum
    from {{ ref('experiments__population_unit') }}
    where exp_id in (select exp_id from randomised_in_strata)

    union all

    select
        unit.unit_key,
        unit.population_key,
        unit.variant_key,
        unit.anchored_on,
        unit.anchored_at > cast(unit.anchored_on as {{ dbt.type_timestamp() }}) as is_after_midnight,
        coalesce(known.value, '(none)') as stratum
    from {{ ref('experiments__population_unit') }} as unit
    left join known on unit.exp_id = known.exp_id and unit.unit_id = known.unit_id
    where unit.exp_id in (select exp_id from known)
),

stratified as (
    select population_key
    from unit_stratum
    group by population_key
    having count(distinct stratum) between 2 and {{ var('max_strata') }}
),

plan as (
    select * from {{ ref('experiments__plan_metric') }}
    where
        population_key in (select population_key from stratified)
        and not is_clustered
        and has_moments
        and {{ 'true' if may_have_strata else 'false' }}
),

size as (
    select
        population_key,
        variant_key,
        stratum,
        anchored_on,
        is_after_midnight,
        count(*) as n_units
    from unit_stratum
    group by population_key, variant_key, stratum, anchored_on, is_after_midnight
),

counted as (
    select
        plan.plan_key,
        size.variant_key,
        size.stratum,
        sum(size.n_units) as n
    from size
    inner join plan on size.population_key = plan.population_key
    where {{ dbt_experiments.mature_on_count('size', day='anchored_on') }} <= plan.as_of
    group by plan.plan_key, size.variant_key, size.stratum
),

active as (
    select
        unit.plan_key,
        unit.variant_key,
        unit_stratum.stratum,
        count(*) as n,
        {{ dbt_experiments.accurate_mean('unit.numerator') }} as mean_numerator,
        {{ dbt_experiments.accurate_mean('unit.denominator') }} as mean_denominator,
        {{ dbt_experiments.sum_of_products('unit.numerator', 'unit.numerator') }} as ss_numerator,
        {{ dbt_experiments.sum_of_products('unit.numerator', 'unit.denominator') }} as ss_numerator_denominator,
        {{ dbt_experiments.sum_of_products('unit.denominator', 'unit.denominator') }} as ss_denominator
    from {{ ref('experiments__unit_metric') }} as unit
    inner join plan on unit.plan_key = plan.plan_key
    inner join unit_stratum on unit.unit_key = unit_stratum.unit_key
    where unit.mature_on <= plan.as_of and {{ 'true' if may_have_strata else 'false' }}
    group by unit.plan_key, unit.variant_key, unit_stratum.stratum
),

merged as (
    select
        counted.plan_key,
        counted.variant_key,
        counted.stratum,
        counted.n,
        plan.has_denominator,
        coalesce(active.n, 0) as n_active,
        (counted.n - coalesce(active.n, 0)) / counted.n as silent_share,
        coalesce(active.mean_numerator, 0) as active_numerator,
        coalesce(active.mean_denominator, 0) as active_denominator,
        {{ dbt_experiments.capped('plan.value_without_facts') }} as silent_numerator,
        coalesce(active.ss_numerator, 0) as ss_numerator,
        coalesce(active.ss_numerator_denominator, 0) as ss_numerator_denominator,
        coalesce(active.ss_denominator, 0) as ss_denominator
    from counted
    inner join plan on counted.plan_key = plan.plan_key
    left join {{ ref('experiments__metric_cap') }} as cap on counted.plan_key = cap.plan_key
    left join active
        on
            counted.plan_key = active.plan_key
            and counted.variant_key = active.variant_key
            and counted.stratum = active.stratum
)

select
    merged.plan_key,
    variant.variant_id,
    merged.stratum,
    cast(merged.n as {{ dbt.type_bigint() }}) as n,
    active_numerator + silent_share * (silent_numerator - active_numerator) as mean_numerator,
    case when has_denominator then active_denominator - silent_share * active_denominator end as mean_denominator,
    case when merged.n > 1
        then (ss_numerator + n_active * silent_share * power(silent_numerator - active_numerator, 2)) / (merged.n - 1)
    end as var_numerator,
    case when merged.n > 1 and has_denominator
        then
            (
                ss_numerator_denominator
                - n_active * silent_share * (silent_numerator - active_numerator) * active_denominator
            ) / (merged.n - 1)
    end as cov_numerator_denominator,
    case when merged.n > 1 and has_denominator
        then (ss_denominator + n_active * silent_share * power(active_denominator, 2)) / (merged.n - 1)
    end as var_denominator
from merged
inner join {{ ref('experiments__variant') }} as variant on merged.variant_key = variant.variant_key
