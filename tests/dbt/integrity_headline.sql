-- Each comparison has exactly one headline, and it is what the results show: neither lost nor doubled by the joins.

select
    estimate.exp_id,
    estimate.metric_id,
    estimate.variant_id,
    count(case when estimate.is_headline then 1 end) as n_headlines,
    max(results.effect) as effect_of_results
from {{ ref('metric_estimate') }} as estimate
left join {{ ref('experiment_results') }} as results
    on
        estimate.exp_id = results.exp_id
        and estimate.metric_id = results.metric_id
        and estimate.variant_id = results.variant_id
        and estimate.population = results.population
        and estimate.dimension = results.dimension
        and estimate.segment = results.segment
group by
    estimate.exp_id, estimate.metric_id, estimate.variant_id, estimate.population, estimate.dimension, estimate.segment
having
    count(case when estimate.is_headline then 1 end) <> 1
    or max(case when estimate.is_headline then estimate.effect end) is distinct from max(results.effect)
