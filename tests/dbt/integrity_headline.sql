-- Each comparison has exactly one headline, and it is what the results show: neither lost nor doubled by the joins.

select
    estimate.exp_id,
    estimate.metric_id,
    estimate.variant_id,
    count(case when estimate.is_headline then 1 end) as n_headlines,
    max(results.effect) as effect_of_results
from {{ ref('metric_estimate') }} as estimate
left join {{ ref('experiment_results') }} as results
    on {{ dbt_experiments.same_comparison('estimate', 'results') }}
group by
    {%- for key in dbt_experiments.comparison_keys() %}
    estimate.{{ key }}{{ ',' if not loop.last }}
    {%- endfor %}
having
    count(case when estimate.is_headline then 1 end) <> 1
    or max(case when estimate.is_headline then estimate.effect end) is distinct from max(results.effect)
