-- Metrics with the same window rest on the same units: the control's n depends on the window alone, whatever the kpi.

select
    results.exp_id,
    results.population,
    metric.window_end_day,
    metric.reads_events,
    min(results.n_control) as fewest,
    max(results.n_control) as most
from {{ ref('experiment_results') }} as results
inner join {{ ref('experiments__plan_metric') }} as metric
    on
        results.exp_id = metric.exp_id
        and results.metric_id = metric.metric_id
        and results.population = metric.population
where results.dimension = 'all'
group by results.exp_id, results.population, metric.window_end_day, metric.reads_events
having min(results.n_control) <> max(results.n_control)
