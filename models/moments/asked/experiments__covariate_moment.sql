{{ config(materialized='view') }}
-- Means and covariances of (numerator, denominator, covariates) over all mature units of the plans that ask for `regression`,
-- in long form: one row per planned metric, variant and pair of variables. Empty where no plan asks.
-- Every variable is counted from the value of a unit without facts, so units that have no row in anything are zeros and
-- merge in closed form.
{%- set variables = range((var('max_covariates') | int) + 2) %}

with plan as (
    select * from {{ ref('experiments__plan_metric') }}
    where
        estimator = 'regression'
        and has_moments
        and not is_clustered
),

covariate as (
    select * from {{ ref('experiments__plan_covariate') }}
),

-- What is read from whose facts; place 0 is the numerator, 1 the denominator, covariates follow.
variable as (
    select
        plan_key,
        0 as place,
        'numerator' as variable,
        'numerator' as part,
        plan_key as source_plan_key
    from plan

    union all

    select
        plan_key,
        1 as place,
        'denominator' as variable,
        'denominator' as part,
        plan_key as source_plan_key
    from plan
    where has_denominator

    union all

    select
        covariate.plan_key,
        covariate.position + 1 as place,
        covariate.variable,
        covariate.part,
        covariate.source_plan_key
    from covariate
    inner join plan on covariate.plan_key = plan.plan_key
),

based as (
    select
        variable.plan_key,
        variable.place,
        variable.variable,
        variable.part,
        variable.source_plan_key,
        case
            when variable.part in ('numerator', 'covariate') then {{ dbt_experiments.capped('source.value_without_facts') }}
            else 0.0
        end as silent
    from variable
    left join {{ ref('experiments__plan_metric') }} as source on variable.source_plan_key = source.plan_key
    left join {{ ref('experiments__metric_cap') }} as cap on variable.source_plan_key = cap.plan_key
),

fact as (
    select
        based.plan_key,
        unit.unit_key,
        based.place,
        case based.part
            when 'numerator' then unit.numerator
            when 'denominator' then unit.denominator
            when 'covariate' then unit.covariate
            else unit.covariate_denominator
        end - based.silent as deviation
    from {{ ref('experiments__unit_metric') }} as unit
    inner join based on unit.plan_key = based.source_plan_key

    union all

    select
        covariate.plan_key,
        unit.unit_key,
        covariate.position + 1 as place,
        case
            when covariate.part = 'attribute'
                then {{ dbt_experiments.try_cast('known.value', dbt_experiments.type_double()) }} - covariate.centre
            else 1.0
        end as deviation
    from covariate
    inner join plan on covariate.plan_key = plan.plan_key
    inner join {{ ref('experiments__unit_attribute') }} as known
        on plan.exp_id = known.exp_id and covariate.attribute = known.attribute
    inner join {{ ref('experiments__population_unit') }} as unit
        on plan.population_key = unit.population_key and known.unit_id = unit.unit_id
),

unit_row as (
    select
        plan_key,
        unit_key
        {%- for v in variables %},
        coalesce(sum(case when place = {{ v }} then deviation end), 0) as v{{ v }}
        {%- endfor %}
    from fact
    group by plan_key, unit_key
),

active as (
    select
        unit_row.plan_key,
        unit.variant_key,
        count(*) as n
        {%- for a in variables %},
        {{ dbt_experiments.accurate_mean('unit_row.v' ~ a) }} as mean_{{ a }}
        {%- for b in range(a + 1) %},
        {{ dbt_experiments.sum_of_products('unit_row.v' ~ a, 'unit_row.v' ~ b) }} as ss_{{ a }}_{{ b }}
        {%- endfor %}
        {%- endfor %}
    from unit_row
    inner join plan on unit_row.plan_key = plan.plan_key
    inner join {{ ref('experiments__population_unit') }} as unit on unit_row.unit_key = unit.unit_key
    where {{ dbt_experiments.mature_on('unit.anchored_at', 'plan', 'plan.as_of') }} <= plan.as_of
    group by unit_row.plan_key, unit.variant_key
),

arm as (
    select
        plan_key,
        variant_key,
        sum(n) as n
    from {{ ref('experiments__mature_count') }}
    where plan_key in (select plan_key from plan)
    group by plan_key, variant_key
),

pair as (
    select
        arm.plan_key,
        arm.variant_key,
        arm.n,
        coalesce(active.n, 0) as n_active,
        row_variable.place as row_place,
        row_variable.variable as row_variable,
        row_variable.silent,
        column_variable.place as column_place,
        column_variable.variable as column_variable,
        coalesce(case row_variable.place
            {%- for a in variables %}
            when {{ a }} then active.mean_{{ a }}
            {%- endfor %}
        end, 0) as row_mean,
        coalesce(case column_variable.place
            {%- for a in variables %}
            when {{ a }} then active.mean_{{ a }}
            {%- endfor %}
        end, 0) as column_mean,
        coalesce(case row_variable.place * 1000 + column_variable.place
            {%- for a in variables %}
            {%- for b in range(a + 1) %}
            when {{ a * 1000 + b }} then active.ss_{{ a }}_{{ b }}
            {%- endfor %}
            {%- endfor %}
        end, 0) as products
    from arm
    inner join based as row_variable on arm.plan_key = row_variable.plan_key
    inner join based as column_variable
        on arm.plan_key = column_variable.plan_key and row_variable.place >= column_variable.place
    left join active on arm.plan_key = active.plan_key and arm.variant_key = active.variant_key
)

select
    pair.plan_key,
    variant.variant_id,
    cast(pair.n as {{ dbt.type_bigint() }}) as n,
    pair.row_place,
    pair.row_variable,
    pair.column_place,
    pair.column_variable,
    pair.silent + pair.row_mean - ((pair.n - pair.n_active) / pair.n) * pair.row_mean as row_mean,
    case when pair.n > 1
        then
            (pair.products + (pair.n_active * ((pair.n - pair.n_active) / pair.n)) * pair.row_mean * pair.column_mean)
            / (pair.n - 1)
    end as covariance
from pair
inner join {{ ref('experiments__variant') }} as variant on pair.variant_key = variant.variant_key
