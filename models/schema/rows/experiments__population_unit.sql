{{ config(materialized='view') }}
-- depends_on: {{ ref('experiments__exposure') }}
-- Who is analysed, and from when: every assigned unit, anchored at its assignment; and the exposed units once more, anchored at
-- their first exposure, under keys of their own. Windows and maturity count from the anchor, the pre-period from the
-- assignment: what a unit did between assignment and exposure may already be an effect.

select
    unit_key,
    exp_id,
    unit_id,
    variant_id,
    variant_key,
    exp_key,
    'assigned' as population,
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
    -1 - unit_key as unit_key,
    exp_id,
    unit_id,
    variant_id,
    variant_key,
    -exp_key as exp_key,
    'exposed' as population,
    assigned_at,
    assigned_on,
    exposed_at as anchored_at,
    exposed_on as anchored_on,
    cluster_id,
    stratum
from {{ ref('experiments__exposure') }}
{%- endif %}
