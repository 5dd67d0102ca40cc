{% macro allowed_values() %}
  {%- set python = dbt_experiments.python_words() -%}
  {%- set experiment_issue = ['no_variants', 'no_control'] -%}
  {%- set setting_issue = [
      'bad_alpha', 'bad_power', 'unknown_correction', 'ends_before_start', 'unknown_sequential_method', 'no_planned_units',
      'bad_sequential_parameter',
  ] -%}
  {%- set metric_issue = [
      'no_numerator', 'unknown_metric_type', 'unknown_aggregation', 'unknown_cap_kind', 'unknown_direction',
      'ratio_without_denominator', 'denominator_without_ratio', 'bad_window', 'bad_cap', 'bad_quantile',
      'unsupported_metric_type',
  ] -%}
  {%- set plan_issue = [
      'unknown_metric', 'unknown_role', 'unknown_effect_scale', 'unknown_alternative', 'unknown_estimator', 'bad_margin',
      'unknown_kpi',
  ] -%}
  {#- What makes a row of an input useless by itself, and not as a declaration of something. -#}
  {%- set row_issue = [
      'null_key', 'unknown_experiment', 'unknown_variant', 'assigned_outside_experiment', 'multiple_variants',
      'unassigned_unit', 'exposed_before_assignment', 'excluded_unit', 'non_finite_value', 'future_outcome', 'bad_traffic',
      'duplicate_assignment', 'duplicate_outcome', 'duplicate_experiment', 'duplicate_variant', 'duplicate_metric',
      'duplicate_plan',
  ] -%}
  {%- set allocation_check = ['srm', 'srm_sequential', 'exposure_balance', 'balance'] -%}
  {%- set health_status = ['pass', 'warn', 'fail'] -%}
  {{ return({
      'metric_type': ['mean', 'ratio', 'quantile', 'time_to_event', 'count'] + python.rate,
      'rate': python.rate,
      'aggregation': ['sum', 'max', 'min', 'last', 'count', 'count_days', 'any'],
      'cap_kind': ['fixed', 'percentile', 'percentile_nonzero'],
      'direction': ['increase', 'decrease'],
      'role': ['primary', 'guardrail', 'secondary', 'exploratory'],
      'effect_scale': ['relative', 'absolute'],
      'alternative': python.alternative,
      'estimator': python.estimator,
      'estimator_without_unit': python.estimator_without_unit,
      'correction': python.correction,
      'correction_method': python.correction_method,
      'lift_interval': python.lift_interval,
      'group_sequential': python.group_sequential,
      'always_valid': python.always_valid,
      'estimate_status': [
          'ok', 'estimator_unavailable', 'not_mature', 'too_few_units', 'too_few_clusters', 'too_few_events', 'too_skewed',
          'zero_variance', 'zero_denominator', 'denominator_near_zero', 'not_binary', 'undefined_quantile', 'not_positive',
          'weak_instrument', 'one_sided_exposure', 'bad_benchmark',
      ] + experiment_issue + plan_issue + metric_issue,
      'input': dbt_experiments.input_tables().keys() | list,
      'data_issue': row_issue + experiment_issue + setting_issue + plan_issue + metric_issue,
      'allocation_check': allocation_check,
      'check_name': dbt_experiments.health_checks().keys() | list,
      'check_status': health_status + ['not_applicable'],
      'health_status': health_status,
      'decision': ['ship', 'do_not_ship', 'not_practical', 'inconclusive', 'keep_running', 'invalid'],
  }) }}
{% endmacro %}
