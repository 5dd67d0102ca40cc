{{ config(materialized='view') }}
-- depends_on: {{ ref('experiments__exposure') }}
-- depends_on: {{ ref('experiments__experiment_population') }}
-- Who is analysed, and from when: every assigned unit, anchored at its assignment; and the exposed units once more, anchored at
-- their first exposure, under keys of their own. Windows and maturity count from the anchor, the pre-period from the
-- assignment: what a unit did between assignment and exposure may already be an effect.

select
    unit_key,
    exp_id,
    unit_id,
    variant_id,
    variant_key,
    'assigned' as population,
    exp_key as population_key,
    assigned_at,
    assigned_on,
    assigned_at as anchored_at,
    assigned_on as anchored_on,
    cluster_id,
    stratum
from {{ ref('experiments__assignment') }}
{%- if dbt_experiments.input_relation('exposure') is not none %}

union all

select
    -- Keys start at 0 or 1, by engine: this is below all of them.
    -1 - unit.unit_key as unit_key,
    unit.exp_id,
    unit.unit_id,
    unit.variant_id,
    unit.variant_key,
    population.population,
    population.population_key,
    unit.assigned_at,
    unit.assigned_on,
    unit.exposed_at as anchored_at,
    unit.exposed_on as anchored_on,
    unit.cluster_id,
    unit.stratum
from {{ ref('experiments__exposure') }} as unit
inner join {{ ref('experiments__experiment_population') }} as population
    on unit.exp_key = population.exp_key and population.population = 'exposed'
{%- endif %}
