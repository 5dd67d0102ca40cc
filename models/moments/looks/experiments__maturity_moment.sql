-- Count, means and centred second moments of the units that matured on one day, per planned metric and variant. The engine's
-- own centred moments of the units with facts, with the block of units without facts merged in closed form.
{%- set variables = dbt_experiments.moment_variables() %}
{%- set pairs = dbt_experiments.moment_pairs() %}
{%- set triples = dbt_experiments.moment_triples() %}

with active as (
    select
        unit.plan_key,
        unit.variant_key,
        unit.mature_on,
        count(*) as n,
        {%- for v in variables %}
        {{ dbt_experiments.accurate_mean('unit.' ~ v) }} as mean_{{ v }},
        {%- endfor %}
        {%- for a, b in pairs %}
        {{ dbt_experiments.sum_of_products('unit.' ~ a, 'unit.' ~ b) }} as ss_{{ a }}_{{ b }},
        {%- endfor %}
        {%- for name, (a, b, c) in triples.items() %}
        sum(unit.{{ a }} * unit.{{ b }} * unit.{{ c }}) as {{ name }},
        {%- endfor %}
        count(case when unit.numerator not in (0, 1) then 1 end) as n_not_binary
    from {{ ref('experiments__unit_metric') }} as unit
    inner join {{ ref('experiments__analysis_date') }} as clock on unit.mature_on <= clock.as_of
    group by unit.plan_key, unit.variant_key, unit.mature_on
),

counted as (
    select
        mature_count.plan_key,
        mature_count.variant_key,
        mature_count.mature_on,
        mature_count.n,
        coalesce(active.n, 0) as n_active,
        mature_count.n - coalesce(active.n, 0) as n_silent,
        coalesce(active.n_not_binary, 0) as n_not_binary,
        {%- for name in triples %}
        coalesce(active.{{ name }}, 0) as {{ name }},
        {%- endfor %}
        -- A unit without facts is worth zero in everything, but for a threshold or a lower cap that lifts the zero.
        {%- for v in variables %}
        coalesce(active.mean_{{ v }}, 0) as active_{{ v }},
        {% if v in ('numerator', 'covariate') -%}
        {{ dbt_experiments.capped('plan.value_without_facts') }} as silent_{{ v }},
        {%- else -%}
        0.0 as silent_{{ v }},
        {%- endif %}
        {%- endfor %}
        {%- for a, b in pairs %}
        coalesce(active.ss_{{ a }}_{{ b }}, 0) as ss_{{ a }}_{{ b }},
        {%- endfor %}
        plan.has_denominator,
        plan.covariate_days > 0 as has_covariate
    from {{ ref('experiments__mature_count') }} as mature_count
    inner join {{ ref('experiments__plan_metric') }} as plan on mature_count.plan_key = plan.plan_key
    left join {{ ref('experiments__metric_cap') }} as cap on mature_count.plan_key = cap.plan_key
    left join active
        on
            mature_count.plan_key = active.plan_key
            and mature_count.variant_key = active.variant_key
            and mature_count.mature_on = active.mature_on
)

select
    plan_key,
    variant_key,
    mature_on,
    n,
    n_active,
    n_not_binary + case when silent_numerator in (0, 1) then 0 else n_silent end as n_not_binary,
    {%- for name, (a, b, c) in triples.items() %}
    case when {{ dbt_experiments.has_variable(a) }} and {{ dbt_experiments.has_variable(c) }}
        then {{ name }} + n_silent * silent_{{ a }} * silent_{{ b }} * silent_{{ c }}
    end as {{ name }},
    {%- endfor %}
    {%- for v in variables %}
    case when {{ dbt_experiments.has_variable(v) }}
        then active_{{ v }} + (n_silent / n) * (silent_{{ v }} - active_{{ v }})
    end as mean_{{ v }},
    {%- endfor %}
    {%- for a, b in pairs %}
    case when {{ dbt_experiments.has_variable(a) }} and {{ dbt_experiments.has_variable(b) }}
        then ss_{{ a }}_{{ b }}
        + (n_active * (n_silent / n)) * (silent_{{ a }} - active_{{ a }}) * (silent_{{ b }} - active_{{ b }})
    end as ss_{{ a }}_{{ b }}{{ ',' if not loop.last }}
    {%- endfor %}
from counted
