{% macro setting_rules() %}
  {%- set fraction = {'type': 'number', 'above': 0, 'below': 1, 'words': 'a number between 0 and 1'} -%}
  {%- set units = {'type': 'number', 'least': 0, 'words': 'a number of units, 0 or more'} -%}
  {%- set positive = {'type': 'number', 'above': 0, 'words': 'a positive number'} -%}
  {%- set schema = {'type': 'text', 'words': 'the name of a schema'} -%}
  {%- set allowed = dbt_experiments.allowed_values() -%}
  {%- set rules = {
      'inputs_database': {'type': 'any'},
      'inputs_schema': schema,
      'input_identifiers': {'type': 'map', 'words': 'a map of names of tables'},
      'input_columns': {'type': 'map', 'words': 'a map of names of columns by table'},
      'experiments': {'type': 'any'},
      'metrics': {'type': 'any'},
      'marts_schema': schema,
      'internal_schema': schema,
      'as_of': {'type': 'date', 'null': true, 'words': 'a date such as 2026-03-30'},
      'default_window_days': {'type': 'integer', 'least': 1},
      'default_covariate_days': {'type': 'integer', 'least': 0},
      'alpha': fraction,
      'power': fraction,
      'min_units': {'type': 'integer', 'least': 2},
      'always_valid_target_units': {'type': 'integer', 'least': 1},
      'exact_below': units,
      'score_below': units,
      'skewness_corrected_from': dict(
          positive, before=['skewness_limit', 'what is corrected must come before what is refused']),
      'skewness_limit': positive,
      'lift_interval': {'type': 'word', 'allowed': allowed.lift_interval},
      'prior_lift_sd': {
          'type': 'number', 'above': 0, 'null': true, 'words': 'a positive fraction, or null for a flat prior'},
      'buckets': {'type': 'integer', 'least': 200},
      'trim_proportion': {'type': 'number', 'least': 0, 'below': 0.5, 'words': 'a fraction below 0.5'},
      'max_covariates': {'type': 'integer', 'least': 1},
      'stratify_by': {'type': 'text', 'null': true, 'words': 'the name of an attribute, or null'},
      'max_strata': {'type': 'integer', 'least': 2},
      'srm_warn_alpha': fraction,
      'srm_fail_alpha': dict(fraction, before=['srm_warn_alpha', 'failing must be rarer than warning']),
      'multiple_variants_warn_share': dict(
          fraction, before=['multiple_variants_fail_share', 'warning must come before failing']),
      'multiple_variants_fail_share': fraction,
      'rejected_outcomes_warn_share': fraction,
      'balance_warn_alpha': fraction,
      'few_clusters': {'type': 'integer', 'least': 2},
      'freshness_warn_days': {'type': 'integer', 'least': 0},
      'late_data_days': {'type': 'integer', 'least': 0},
      'late_data_warn_share': fraction,
      'assignment_rate_warn_share': fraction,
      'srm_prior_units': {'type': 'integer', 'least': 1},
      'min_duration_days': {'type': 'integer', 'least': 0},
      'test_facts': {'type': 'boolean', 'null': true, 'words': 'true, false or null'},
      'max_cluster_rows_per_look': {'type': 'integer', 'least': 1},
      'few_clusters_resampled': {'type': 'integer', 'least': 0},
  } -%}
  {%- for role in allowed.role -%}
    {%- do rules.update({'correction_' ~ role: {'type': 'word', 'allowed': allowed.correction}}) -%}
  {%- endfor -%}
  {{ return(rules) }}
{% endmacro %}
