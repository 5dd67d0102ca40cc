{% macro declared_metric(entry, errors) %}
  {%- set columns = dbt_experiments.input_tables()['metric'].columns.keys() | list -%}
  {%- set where = "the metric '" ~ entry.get('metric_id', '?') ~ "' of the var metrics" -%}
  {%- do dbt_experiments.unknown_keys(entry, columns + ['window'], where, errors) -%}
  {%- set row = {} -%}
  {%- for key, value in entry.items() -%}
    {%- if key == 'window' -%}
      {%- if value is string or value is not sequence or value | length != 2 -%}
        {%- do errors.append("the window of " ~ where ~ " is not [first day, day after the last]") -%}
      {%- else -%}
        {%- do row.update({'window_start_day': value[0], 'window_end_day': value[1]}) -%}
      {%- endif -%}
    {%- else -%}
      {%- do row.update({key: value}) -%}
    {%- endif -%}
  {%- endfor -%}
  {%- do dbt_experiments.check_types(row, 'metric', where, errors) -%}
  {%- for key in ['metric_id', 'numerator_kpi'] -%}
    {%- if not row.get(key) -%}
      {%- do errors.append(where ~ " has no " ~ key) -%}
    {%- endif -%}
  {%- endfor -%}
  {%- if row.get('metric_type') == 'ratio' and not row.get('denominator_kpi') -%}
    {%- do errors.append(where ~ " is a ratio without a denominator_kpi") -%}
  {%- endif -%}
  {%- for key, allowed in dbt_experiments.allowed_values().items() -%}
    {%- if row.get(key) is not none and row.get(key) not in allowed -%}
      {%- do errors.append(where ~ " has " ~ key ~ " '" ~ row.get(key) ~ "' (allowed: " ~ allowed | join(', ') ~ ")") -%}
    {%- endif -%}
  {%- endfor -%}
  {{ return(row) }}
{% endmacro %}
