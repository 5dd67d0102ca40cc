{% macro unit_totals(only=none) %}
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
