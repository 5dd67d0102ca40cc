{% macro check_settings(errors) %}
  {%- set fractions = [
      'alpha', 'power', 'srm_warn_alpha', 'srm_fail_alpha', 'balance_warn_alpha', 'multiple_variants_warn_share',
      'multiple_variants_fail_share', 'rejected_outcomes_warn_share', 'late_data_warn_share', 'assignment_rate_warn_share',
  ] -%}
  {%- for name in fractions -%}
    {%- set value = var(name) -%}
    {%- if value is not number or value is boolean or not (0 < value < 1) -%}
      {%- do errors.append("the var " ~ name ~ " is " ~ value ~ "; it must be a number between 0 and 1") -%}
    {%- endif -%}
  {%- endfor -%}
  {%- set whole = {
      'default_window_days': 1, 'default_covariate_days': 0, 'min_units': 2, 'min_duration_days': 0, 'few_clusters': 2,
      'freshness_warn_days': 0, 'late_data_days': 0, 'srm_prior_units': 1, 'max_cluster_rows_per_look': 1,
      'always_valid_target_units': 1, 'max_covariates': 1, 'max_strata': 2,
      'few_clusters_resampled': 0, 'buckets': 200,
  } -%}
  {%- for name, least in whole.items() -%}
    {%- set value = var(name) -%}
    {%- if value is not integer or value is boolean or value < least -%}
      {%- do errors.append("the var " ~ name ~ " is " ~ value ~ "; it must be a whole number of at least " ~ least) -%}
    {%- endif -%}
  {%- endfor -%}
  {%- for low, high, words in [
      ('srm_fail_alpha', 'srm_warn_alpha', 'failing must be rarer than warning'),
      ('multiple_variants_warn_share', 'multiple_variants_fail_share', 'warning must come before failing'),
      ('skewness_corrected_from', 'skewness_limit', 'what is corrected must come before what is refused'),
  ] -%}
    {%- if var(low) is number and var(high) is number and var(low) >= var(high) -%}
      {%- do errors.append("the var " ~ low ~ " (" ~ var(low) ~ ") is not below the var " ~ high ~ " (" ~ var(high)
          ~ "): " ~ words) -%}
    {%- endif -%}
  {%- endfor -%}
  {%- for name in ['exact_below', 'score_below'] -%}
    {%- set units = var(name) -%}
    {%- if units is not number or units is boolean or units < 0 -%}
      {%- do errors.append("the var " ~ name ~ " is " ~ units ~ "; it must be a number of units, 0 or more") -%}
    {%- endif -%}
  {%- endfor -%}
  {%- for name in ['skewness_corrected_from', 'skewness_limit'] -%}
    {%- set skewness = var(name) -%}
    {%- if skewness is not number or skewness is boolean or skewness <= 0 -%}
      {%- do errors.append("the var " ~ name ~ " is " ~ skewness ~ "; it must be a positive number") -%}
    {%- endif -%}
  {%- endfor -%}
  {%- set trim = var('trim_proportion') -%}
  {%- if trim is not number or trim is boolean or not (0 <= trim < 0.5) -%}
    {%- do errors.append("the var trim_proportion is " ~ trim ~ "; it must be a fraction below 0.5") -%}
  {%- endif -%}
  {%- set lift_intervals = dbt_experiments.allowed_values().lift_interval -%}
  {%- if var('lift_interval') not in lift_intervals -%}
    {%- do errors.append("the var lift_interval is '" ~ var('lift_interval') ~ "' (allowed: " ~ lift_intervals | join(', ') ~ ")") -%}
  {%- endif -%}
  {%- if var('stratify_by') is not none and var('stratify_by') is not string -%}
    {%- do errors.append("the var stratify_by is " ~ var('stratify_by') ~ "; it must be the name of an attribute, or null") -%}
  {%- endif -%}
  {%- set prior = var('prior_lift_sd') -%}
  {%- if prior is not none and (prior is not number or prior is boolean or prior <= 0) -%}
    {%- do errors.append("the var prior_lift_sd is " ~ prior ~ "; it must be a positive fraction, or null for a flat prior") -%}
  {%- endif -%}
  {%- set corrections = dbt_experiments.allowed_values().correction -%}
  {%- for role in dbt_experiments.allowed_values().role -%}
    {%- set value = var('correction_' ~ role) -%}
    {%- if value not in corrections -%}
      {%- do errors.append("the var correction_" ~ role ~ " is '" ~ value ~ "' (allowed: " ~ corrections | join(', ') ~ ")") -%}
    {%- endif -%}
  {%- endfor -%}
  {%- set as_of = var('as_of') -%}
  {%- if as_of is not none -%}
    {%- set text = as_of | string -%}
    {%- set year = text[0:4] | int -%}
    {%- set is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) -%}
    {%- set month_days = [31, 29 if is_leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] -%}
    {%- if not modules.re.match('^\\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])( 00:00:00)?$', text) -%}
      {%- do errors.append("the var as_of is '" ~ text ~ "'; it must be a date such as 2026-03-30") -%}
    {%- elif text[8:10] | int > month_days[text[5:7] | int - 1] -%}
      {%- do errors.append("the var as_of is '" ~ text ~ "', which is not in the calendar") -%}
    {%- endif -%}
  {%- endif -%}
  {%- for name in ['inputs_schema', 'marts_schema', 'internal_schema'] -%}
    {%- if var(name) is not string or not var(name) | trim -%}
      {%- do errors.append("the var " ~ name ~ " is '" ~ var(name) ~ "'; it must be the name of a schema") -%}
    {%- endif -%}
  {%- endfor -%}
  {%- set inputs_schema = var('inputs_schema') -%}
  {%- for name in ['internal_schema', 'marts_schema'] -%}
    {%- if not dbt_experiments.is_demo() and var(name) | string | lower == inputs_schema | string | lower
        and (var('inputs_database') or target.database) == target.database -%}
      {%- do errors.append("the vars " ~ name ~ " and inputs_schema are both '" ~ inputs_schema
          ~ "': the package would write over its own inputs") -%}
    {%- endif -%}
  {%- endfor -%}
  {%- set tables = dbt_experiments.input_tables() -%}
  {%- for table in var('input_identifiers') -%}
    {%- if table not in tables -%}
      {%- do errors.append("the var input_identifiers names the input '" ~ table ~ "', which does not exist (inputs: "
          ~ tables.keys() | join(', ') ~ ")") -%}
    {%- endif -%}
  {%- endfor -%}
  {%- for table, columns in var('input_columns').items() -%}
    {%- if table not in tables -%}
      {%- do errors.append("the var input_columns names the input '" ~ table ~ "', which does not exist (inputs: "
          ~ tables.keys() | join(', ') ~ ")") -%}
    {%- else -%}
      {%- for column in columns -%}
        {%- if column not in tables[table].columns -%}
          {%- do errors.append("the var input_columns names the column '" ~ column ~ "' of the input '" ~ table
              ~ "', which the contract does not have (columns: " ~ tables[table].columns.keys() | join(', ') ~ ")") -%}
        {%- endif -%}
      {%- endfor -%}
    {%- endif -%}
  {%- endfor -%}
{% endmacro %}
