{% macro allowed_values() %}
  {#- The words that a column of the metric catalogue and of the analysis plan may hold. -#}
  {{ return({
      'metric_type': ['mean', 'proportion', 'ratio', 'quantile', 'retention', 'time_to_event', 'count'],
      'aggregation': ['sum', 'max', 'min', 'last', 'count', 'count_days', 'any'],
      'cap_kind': ['fixed', 'percentile', 'percentile_nonzero'],
      'direction': ['increase', 'decrease'],
      'role': ['primary', 'guardrail', 'secondary', 'exploratory'],
      'effect_scale': ['relative', 'absolute'],
      'alternative': ['two_sided', 'greater', 'less'],
      'estimator': [
          'difference', 'ratio', 'cluster', 'unadjusted', 'cuped', 'regression', 'poststratified',
          'difference_in_differences', 'exact', 'quantile', 'trimmed', 'geometric', 'mann_whitney', 'bootstrap', 'permutation',
          'cr3', 'randomization', 'wild_bootstrap', 'cace',
      ],
      'correction': ['none', 'bonferroni', 'holm', 'hochberg', 'bh', 'by', 'storey', 'dunnett'],
  }) }}
{% endmacro %}
