{% macro declared_experiments() %}
  {%- set errors = [] -%}
  {%- set rows = {'experiment': [], 'variant': [], 'metric': [], 'experiment_metric': []} -%}
  {%- for name in ['metrics', 'experiments'] -%}
    {%- if var(name) is string or var(name) is mapping or var(name) is not iterable -%}
      {%- do errors.append("the var " ~ name ~ " is not a list of declarations") -%}
    {%- else -%}
      {%- for entry in var(name) if entry is not mapping -%}
        {%- do errors.append("the var " ~ name ~ " holds '" ~ entry ~ "', which is not a declaration (key: value)") -%}
      {%- endfor -%}
    {%- endif -%}
  {%- endfor -%}
  {%- for entry in var('metrics') if entry is mapping -%}
    {%- do rows.metric.append(dbt_experiments.declared_metric(entry, errors)) -%}
  {%- endfor -%}
  {%- set seen = [] -%}
  {%- for entry in var('experiments') if entry is mapping -%}
    {%- if not entry.get('exp_id') -%}
      {%- do errors.append("an experiment of the var experiments has no exp_id") -%}
    {%- elif entry.exp_id | string in seen -%}
      {%- do errors.append("the experiment '" ~ entry.exp_id ~ "' is declared twice in the var experiments") -%}
    {%- else -%}
      {%- do seen.append(entry.exp_id | string) -%}
      {%- do dbt_experiments.declared_experiment(entry, rows, errors) -%}
    {%- endif -%}
  {%- endfor -%}
  {{ return({'rows': rows, 'errors': errors}) }}
{% endmacro %}
