-- Moments of everything that had matured by each look, per planned metric and variant: running sums of maturity_moment,
-- merged by Chan's formula around the final mean, so no digit is lost and no look is computed again.
{%- set variables = dbt_experiments.moment_variables() %}
{%- set pairs = dbt_experiments.moment_pairs() %}
{%- set triples = dbt_experiments.moment_triples() %}

with look as (
    select distinct
        plan_key,
        mature_on as look_date
    from {{ ref('experiments__maturity_moment') }}
),

arm as (
    select
        plan_key,
        variant_key,
        {%- for v in variables %}
        sum(n * mean_{{ v }}) / sum(n) as centre_{{ v }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ ref('experiments__maturity_moment') }}
    group by plan_key, variant_key
),

-- Both arms have a row at every look, also on days on which only the other arm had units maturing.
increment as (
    select
        arm.plan_key,
        arm.variant_key,
        look.look_date,
        coalesce(day.n, 0) as n,
        coalesce(day.n_not_binary, 0) as n_not_binary,
        {%- for name in triples %}
        day.{{ name }},
        {%- endfor %}
        {%- for v in variables %}
        day.mean_{{ v }} - arm.centre_{{ v }} as shift_{{ v }},
        arm.centre_{{ v }},
        {%- endfor %}
        {%- for a, b in pairs %}
        day.ss_{{ a }}_{{ b }}{{ ',' if not loop.last }}
        {%- endfor %}
    from arm
    inner join look on arm.plan_key = look.plan_key
    left join {{ ref('experiments__maturity_moment') }} as day
        on arm.plan_key = day.plan_key and arm.variant_key = day.variant_key and look.look_date = day.mature_on
),

running as (
    select
        plan_key,
        variant_key,
        look_date,
        sum(n) over so_far as n,
        sum(n_not_binary) over so_far as n_not_binary,
        {%- for name in triples %}
        sum({{ name }}) over so_far as {{ name }},
        {%- endfor %}
        {%- for v in variables %}
        centre_{{ v }},
        sum(n * shift_{{ v }}) over so_far as sum_{{ v }},
        {%- endfor %}
        {%- for a, b in pairs %}
        sum(ss_{{ a }}_{{ b }} + n * shift_{{ a }} * shift_{{ b }}) over so_far as ss_{{ a }}_{{ b }}{{ ',' if not loop.last }}
        {%- endfor %}
    from increment
    window so_far as (partition by plan_key, variant_key order by look_date rows unbounded preceding)
)

select
    running.plan_key,
    plan.exp_id,
    plan.metric_id,
    variant.variant_id,
    running.look_date,
    running.look_date = max(running.look_date) over (partition by running.plan_key) as is_last_look,
    cast(running.n as {{ dbt.type_bigint() }}) as n,
    cast(running.n_not_binary as {{ dbt.type_bigint() }}) as n_not_binary,
    {%- for name in triples %}
    running.{{ name }},
    {%- endfor %}
    {%- for v in variables %}
    case when running.n > 0
        then {{ dbt_experiments.above_rounding(
            'running.centre_' ~ v ~ ' + running.sum_' ~ v ~ ' / running.n', 'running.centre_' ~ v) }}
    end as mean_{{ v }},
    {%- endfor %}
    {%- for a, b in pairs %}
    -- An arm that is constant until a look leaves no variance there, not the residue of the shift to the final mean.
    case when running.n > 1
        then {{ dbt_experiments.above_rounding(
            'running.ss_' ~ a ~ '_' ~ b ~ ' - running.sum_' ~ a ~ ' * running.sum_' ~ b ~ ' / running.n',
            'running.sum_' ~ a ~ ' * running.sum_' ~ b ~ ' / running.n') }} / (running.n - 1)
    end as {{ dbt_experiments.moment_name(a, b) }}{{ ',' if not loop.last }}
    {%- endfor %}
from running
inner join {{ ref('experiments__plan_metric') }} as plan on running.plan_key = plan.plan_key
inner join {{ ref('experiments__variant') }} as variant on running.variant_key = variant.variant_key
