{% macro python_words() %}
  {#- Written by `make words` from python_stats: do not edit. -#}
  {{ return({
      'estimator': ['difference', 'ratio', 'cluster', 'unadjusted', 'cuped', 'regression', 'poststratified',
          'difference_in_differences', 'exact', 'quantile', 'trimmed', 'geometric', 'mann_whitney', 'bootstrap',
          'permutation', 'cr3', 'randomization', 'wild_bootstrap', 'cace'],
      'estimator_without_unit': ['mann_whitney'],
      'correction': ['none', 'bonferroni', 'holm', 'hochberg', 'bh', 'by', 'storey', 'dunnett'],
      'correction_method': ['none', 'bonferroni', 'holm', 'hochberg', 'benjamini_hochberg', 'benjamini_yekutieli',
          'storey', 'dunnett'],
      'alternative': ['two_sided', 'greater', 'less'],
      'lift_interval': ['log_delta', 'fieller'],
      'group_sequential': ['obrien_fleming', 'pocock', 'power', 'hwang_shih_decani'],
      'always_valid': ['msprt', 'asymptotic_cs'],
      'rate': ['proportion', 'retention'],
      'comparison_key': ['exp_id', 'metric_id', 'variant_id', 'population', 'dimension', 'segment'],
      'moment_variable': ['numerator', 'denominator', 'covariate', 'covariate_denominator'],
  }) }}
{% endmacro %}
