{% macro unit_totals(only=none) %}
  {#-
    Totals per unit and planned metric, by the shape of the metric: plain (additive, no denominator), ratio (additive, with
    one), extreme (max, min, last) and single (quantiles of facts, whose totals serve the ledger and the search for repeats).
    Each shape is a pass of its own over the facts of its metrics, because every further aggregate costs all rows; a shape
    that no metric has costs nothing (the plan side of its join is empty).

    `only` restricts to a CTE of (unit_key, plan_key) and counts each day once; without it, the ledger is added: how many
    facts of each part reached the unit, how many days were counted, and which (a mask).
  -#}
  {%- for shape in ['plain', 'ratio', 'extreme', 'single'] %}
select
    unit_key,
    plan_key,
    {{ dbt_experiments.total_of(shape, 0, 0) }} as numerator,
    {{ dbt_experiments.total_of(shape, 1, 0) }} as denominator,
    {{ dbt_experiments.total_of(shape, 0, 1) }} as covariate,
    {{ dbt_experiments.total_of(shape, 1, 1) }} as covariate_denominator
    {%- if not only %},
    count(*) as n_rows,
    {{ '0' if shape == 'plain' else 'sum(part)' }} as n_denominator_rows,
    count(day_place) as n_days,
    bit_or({{ dbt_experiments.day_bit('day_place') }}) as day_mask
    {%- endif %}
from (
    {{ dbt_experiments.fact_rows(shape, only) }}
) as fact
group by unit_key, plan_key
  {%- if not loop.last %}

union all
  {% endif %}
  {%- endfor %}
{% endmacro %}
