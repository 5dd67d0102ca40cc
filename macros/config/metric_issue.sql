{% macro metric_issue() -%}
case
        when numerator_kpi is null then 'no_numerator'
        when metric_type <> 'auto' and metric_type not in {{ dbt_experiments.words_of('metric_type') }} then 'unknown_metric_type'
        when
            aggregation not in {{ dbt_experiments.words_of('aggregation') }}
            and not (metric_type = 'quantile' and aggregation = 'each') then 'unknown_aggregation'
        when cap_kind not in {{ dbt_experiments.words_of('cap_kind') }} then 'unknown_cap_kind'
        when direction not in {{ dbt_experiments.words_of('direction') }} then 'unknown_direction'
        when metric_type = 'ratio' and denominator_kpi is null then 'ratio_without_denominator'
        when denominator_kpi is not null and metric_type <> 'ratio' then 'denominator_without_ratio'
        when window_start_day < 0 or window_end_day <= window_start_day then 'bad_window'
        when covariate_days < 0 then 'bad_window'
        when cap_lower > cap_upper then 'bad_cap'
        when cap_kind <> 'fixed' and (cap_lower not between 0 and 1 or cap_upper not between 0 and 1) then 'bad_cap'
        {#- A threshold would leave zeros and ones, and a cap is found among unit values, which single facts do not have. #}
        when metric_type = 'quantile' and not coalesce(quantile > 0 and quantile < 1, false) then 'bad_quantile'
        when metric_type = 'quantile' and threshold is not null then 'bad_quantile'
        when aggregation = 'each' and (cap_lower is not null or cap_upper is not null) then 'bad_cap'
        when metric_type = 'time_to_event' then 'unsupported_metric_type'
    end
{%- endmacro %}
