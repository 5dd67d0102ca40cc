{% macro health_checks() %}
  {#-
    Every health check: what it looks at, when it warns and fails, and what to do then. A check is the view
    `experiments__check_<name>`; `experiment_health` is the union of all that stand here, docs/marts.md shows this list, and a
    test asks every experiment for every one of them.
  -#}
  {%- set repair_allocation = 'find where one arm loses or gains units (a redirect, a filter, a crash before the log), mend it, '
      ~ 'and start again with new units' -%}
  {{ return({
      'configuration': {
          'looks_at': 'control, variants, traffic, settings',
          'warns': 'a setting was replaced by the default',
          'fails': 'no variants, no control, bad traffic',
          'what_to_do': 'correct the row of the experiment, or those of its variants',
      },
      'srm': {
          'looks_at': 'chi-square of assigned counts (clusters, where clusters were assigned) against the allocation in force; exact '
              ~ 'multinomial below 5 expected',
          'warns': 'p < `srm_warn_alpha`',
          'fails': 'p < `srm_fail_alpha`; a planned variant without units; units in a variant without traffic',
          'what_to_do': repair_allocation,
      },
      'srm_sequential': {
          'looks_at': 'the same by a sequential test that may be read every day',
          'warns': 'same limits',
          'fails': 'same',
          'what_to_do': repair_allocation,
      },
      'exposure_balance': {
          'looks_at': 'sample ratio among the exposed, where exposures are given',
          'warns': 'p < `srm_warn_alpha`',
          'fails': 'never',
          'what_to_do': 'leave the results of the population `exposed` aside; those of the assigned stand, and the estimator `cace` '
              ~ 'tells the effect on the exposed from them',
      },
      'multiple_variants': {
          'looks_at': 'share of units seen in several variants',
          'warns': 'above the warning share',
          'fails': 'above the failing share',
          'what_to_do': 'find why units change their variant (an id that is lost, a restart under the same id); they are in no '
              ~ 'estimate',
      },
      'missing_outcomes': {
          'looks_at': 'share of outcome rows set aside',
          'warns': 'above the share; no outcome rows; a planned kpi never seen',
          'fails': 'never',
          'what_to_do': 'read the reasons in `experiment_data_issue`; a kpi that was never seen is another spelling or a feed that does '
              ~ 'not run',
      },
      'balance': {
          'looks_at': 'smallest p of the pre-period comparisons × their number',
          'warns': 'below `balance_warn_alpha`',
          'fails': 'never',
          'what_to_do': 'find out whether units were assigned at random, and whether the treatment reached them before their '
              ~ 'assignment; a covariate takes out chance, not a leak',
      },
      'normal_approximation': {
          'looks_at': 'largest skewness, in size, of an estimated difference of means or ratios',
          'warns': 'beyond `skewness_limit`, where there is no test; beyond `skewness_corrected_from`, where the planned estimator has '
              ~ 'no correction',
          'fails': 'never',
          'what_to_do': 'cap the metric, plan the estimator `permutation`, `trimmed` or `mann_whitney`, or give the smaller arm more '
              ~ 'traffic',
      },
      'few_clusters': {
          'looks_at': 'clusters of the smallest comparison',
          'warns': 'below `few_clusters`; clusters with units in several variants',
          'fails': 'never',
          'what_to_do': 'with fewer than ten clusters in an arm plan the estimator `randomization`; find why a cluster has several '
              ~ 'variants',
      },
      'assignment_rate': {
          'looks_at': 'eligible units that were assigned',
          'warns': 'below the share',
          'fails': 'never',
          'what_to_do': 'find why eligible units were not assigned: the result speaks of those who were',
      },
      'late_data': {
          'looks_at': 'outcome rows loaded late',
          'warns': 'above the share',
          'fails': 'never',
          'what_to_do': 'wait until the load is complete before deciding, or set `as_of` to a day that is',
      },
      'freshness': {
          'looks_at': 'days since the newest outcome, running experiments, only for the default `as_of`',
          'warns': 'above the limit',
          'fails': 'never',
          'what_to_do': 'see whether the load of the outcomes still runs',
      },
      'underpowered': {
          'looks_at': 'power for the planned effect at the final precision, ended experiments, per primary metric and treatment',
          'warns': 'below the planned power',
          'fails': 'never',
          'what_to_do': 'read "no clear difference" as open, and plan the next experiment with the units that `experiment_power` names',
      },
      'ramp': {
          'looks_at': 'phases of the allocation in which units came',
          'warns': 'more than one: estimates pool them',
          'fails': 'never',
          'what_to_do': 'see whether the metric moved between the phases; where it did, compare within them (the phase as '
              ~ '`assignment.stratum`, estimator `poststratified`)',
      },
      'srm_segment': {
          'looks_at': 'not offered yet: always `not_applicable`',
          'warns': '',
          'fails': '',
          'what_to_do': '',
      },
      'design_change': {
          'looks_at': 'not offered yet: always `not_applicable`',
          'warns': '',
          'fails': '',
          'what_to_do': '',
      },
  }) }}
{% endmacro %}
