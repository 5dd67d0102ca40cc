{% macro declared_experiment(entry, rows, errors) %}
  {%- set where = "the experiment '" ~ entry.exp_id ~ "' of the var experiments" -%}
  {%- set columns = dbt_experiments.input_tables()['experiment'].columns.keys() | list -%}
  {%- do dbt_experiments.unknown_keys(entry, columns + ['variants', 'control', 'metrics', 'sequential'], where, errors) -%}

  {%- set experiment = {'exp_id': entry.exp_id, 'name': entry.exp_id} -%}
  {%- for key in columns -%}
    {%- if entry.get(key) is not none -%}{%- do experiment.update({key: entry[key]}) -%}{%- endif -%}
  {%- endfor -%}
  {%- set sequential = entry.sequential if entry.get('sequential') is mapping else {} -%}
  {%- if entry.get('sequential') is not none and entry.sequential is not mapping -%}
    {%- do errors.append("sequential of " ~ where ~ " is '" ~ entry.sequential
        ~ "', not a map such as {method: obrien_fleming, planned_units: 200000}") -%}
  {%- endif -%}
  {%- do dbt_experiments.unknown_keys(
      sequential, ['method', 'planned_units', 'parameter'], "sequential of " ~ where, errors) -%}
  {%- for key, column in {'method': 'sequential_method', 'planned_units': 'planned_units',
      'parameter': 'sequential_parameter'}.items() if sequential.get(key) is not none -%}
    {%- do experiment.update({column: sequential[key]}) -%}
  {%- endfor -%}
  {%- do dbt_experiments.check_types(experiment, 'experiment', where, errors) -%}
  {%- do dbt_experiments.check_sequential(experiment, where, errors) -%}
  {%- for key in ['start_time', 'unit'] -%}
    {%- if entry.get(key) is none -%}{%- do errors.append(where ~ " has no " ~ key) -%}{%- endif -%}
  {%- endfor -%}
  {%- set correction = dbt_experiments.allowed_values().correction -%}
  {%- if entry.get('correction') is not none and entry.correction not in correction -%}
    {%- do errors.append(where ~ " has correction '" ~ entry.correction ~ "' (allowed: " ~ correction | join(', ') ~ ")") -%}
  {%- endif -%}

  {%- set variants = {} -%}
  {%- for variant_id, traffic in (entry.variants if entry.get('variants') is mapping else {}).items() -%}
    {%- if traffic is number and traffic is not boolean -%}
      {%- do variants.update({variant_id: traffic}) -%}
    {%- else -%}
      {%- do errors.append("the variant '" ~ variant_id ~ "' of " ~ where ~ " has the traffic '" ~ traffic
          ~ "', which is not a number") -%}
    {%- endif -%}
  {%- endfor -%}
  {%- set control = entry.get('control') or ('control' if 'control' in variants else none) -%}
  {%- if variants | length < 2 -%}
    {%- do errors.append(where ~ " needs variants with their traffic, e.g. {control: 0.5, treatment: 0.5}") -%}
  {%- else -%}
    {%- set total = variants.values() | sum -%}
    {%- if (total - 1) | abs > 0.001 and (total - 100) | abs > 0.1 -%}
      {%- do errors.append("the traffic of " ~ where ~ " adds up to " ~ total ~ ", not to 1 or 100") -%}
    {%- endif -%}
    {%- if control is none or control not in variants -%}
      {%- do errors.append(where ~ " does not say which variant is the control: set control to one of "
          ~ variants.keys() | join(', ')) -%}
    {%- endif -%}
    {%- for variant_id, traffic in variants.items() -%}
      {%- do rows.variant.append({'exp_id': entry.exp_id, 'variant_id': variant_id, 'traffic_pct': traffic,
          'is_control': variant_id == control}) -%}
    {%- endfor -%}
  {%- endif -%}

  {%- set metrics = entry.metrics if entry.get('metrics') is mapping else {} -%}
  {%- do dbt_experiments.unknown_keys(metrics, ['primary', 'guardrails', 'secondary', 'exploratory'],
      "metrics of " ~ where, errors) -%}
  {%- set plan_columns = dbt_experiments.input_tables()['experiment_metric'].columns.keys() | list -%}
  {%- for key, role in {'primary': 'primary', 'guardrails': 'guardrail', 'secondary': 'secondary',
      'exploratory': 'exploratory'}.items() -%}
    {%- set entries = metrics.get(key) or [] -%}
    {%- for item in ([entries] if entries is string or entries is mapping else entries) -%}
      {%- set item = {'metric': item} if item is string else item -%}
      {%- do dbt_experiments.unknown_keys(item, ['metric', 'mde', 'non_inferiority_margin', 'benchmark', 'effect_scale',
          'alternative', 'estimator'], key ~ " of " ~ where, errors) -%}
      {%- if not item.get('metric') -%}
        {%- do errors.append("a metric under " ~ key ~ " of " ~ where ~ " has no name (metric: ...)") -%}
      {%- else -%}
        {%- set row = {'exp_id': entry.exp_id, 'metric_id': item.metric, 'role': role} -%}
        {%- for column in plan_columns -%}
          {%- if item.get(column) is not none -%}{%- do row.update({column: item[column]}) -%}{%- endif -%}
        {%- endfor -%}
        {%- do dbt_experiments.check_types(
            row, 'experiment_metric', "the metric '" ~ item.metric ~ "' of " ~ where, errors) -%}
        {%- do rows.experiment_metric.append(row) -%}
        {%- if role == 'primary' and not experiment.get('primary_kpi') -%}
          {%- do experiment.update({'primary_kpi': item.metric}) -%}
        {%- endif -%}
        {%- for column, allowed in dbt_experiments.allowed_values().items() -%}
          {%- if row.get(column) is not none and row.get(column) not in allowed -%}
            {%- do errors.append("the metric '" ~ item.metric ~ "' of " ~ where ~ " has " ~ column ~ " '" ~ row[column]
                ~ "' (allowed: " ~ allowed | join(', ') ~ ")") -%}
          {%- endif -%}
        {%- endfor -%}
      {%- endif -%}
    {%- endfor -%}
  {%- endfor -%}
  {%- if not experiment.get('primary_kpi') -%}
    {%- do errors.append(where ~ " has no primary metric: set metrics.primary or primary_kpi") -%}
  {%- endif -%}
  {%- do rows.experiment.append(experiment) -%}
{% endmacro %}
