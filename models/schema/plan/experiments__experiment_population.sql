{{ config(materialized='view') }}
-- depends_on: {{ ref('experiments__exposure') }}
-- The populations that each experiment is analysed on: all assigned units always, the exposed ones where exposures are known.
-- A plan has keys of its own in each, so that everything downstream of the plan treats them as different metrics: the
-- exposed population's keys are the assigned one's with the other sign.

select
    exp_id,
    'assigned' as population,
    exp_key,
    1 as key_sign
from {{ ref('experiments__experiment') }}
{%- if dbt_experiments.input_relation('exposure') is not none %}

union all

select
    exp_id,
    'exposed' as population,
    -exp_key as exp_key,
    -1 as key_sign
from {{ ref('experiments__experiment') }}
where exp_id in (select exp_id from {{ ref('experiments__exposure') }})
{%- endif %}
