{{ config(materialized='view') }}
-- How far each experiment has come at `as_of`: the one place that says whether it is running.

select
    experiment.exp_id,
    clock.as_of,
    clock.run_date,
    experiment.end_time is null or cast(experiment.end_time as date) > clock.as_of as is_running,
    {{ dbt_experiments.day_offset(
        'cast(experiment.start_time as date)',
        'case when cast(experiment.end_time as date) < clock.as_of then cast(experiment.end_time as date) '
        ~ 'else clock.as_of end') }} as days_run
from {{ ref('experiments__experiment') }} as experiment
cross join {{ ref('experiments__analysis_date') }} as clock
