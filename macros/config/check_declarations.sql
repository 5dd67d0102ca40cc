{% macro check_declarations(declared, found, errors) %}
  {%- if declared.experiment -%}
    {%- set ids = [] -%}
    {%- for row in declared.experiment -%}{%- do ids.append(row.exp_id | string) -%}{%- endfor -%}
    {%- for table in ['experiment', 'variant', 'experiment_metric'] if table in found -%}
      {%- for both in dbt_experiments.values_present(table, found[table], 'exp_id', ids) -%}
        {%- do errors.append("the experiment '" ~ both ~ "' is declared both in the var experiments and in the input table "
            ~ table ~ "; keep one") -%}
      {%- endfor -%}
    {%- endfor -%}
  {%- endif -%}
  {%- if declared.metric and 'metric' in found -%}
    {%- set ids = [] -%}
    {%- for row in declared.metric -%}{%- do ids.append(row.metric_id | string) -%}{%- endfor -%}
    {%- for both in dbt_experiments.values_present('metric', found['metric'], 'metric_id', ids) -%}
      {%- do errors.append("the metric '" ~ both ~ "' is declared both in the var metrics and in the input table metric; "
          ~ "keep one") -%}
    {%- endfor -%}
  {%- endif -%}

  {#- A metric is defined in YAML or in the table metric, or is the name of a kpi. -#}
  {%- set wanted = [] -%}
  {%- for row in declared.experiment_metric -%}
    {%- if row.metric_id | string not in wanted -%}{%- do wanted.append(row.metric_id | string) -%}{%- endif -%}
  {%- endfor -%}
  {%- for row in declared.experiment -%}
    {%- if row.primary_kpi | string not in wanted -%}{%- do wanted.append(row.primary_kpi | string) -%}{%- endif -%}
  {%- endfor -%}
  {%- for row in declared.metric -%}
    {%- if row.metric_id | string in wanted -%}{%- do wanted.remove(row.metric_id | string) -%}{%- endif -%}
  {%- endfor -%}
  {%- for table, column in {'metric': 'metric_id', 'kpi_outcome': 'kpi_name', 'kpi_event': 'kpi_name'}.items() -%}
    {%- if wanted and table in found -%}
      {%- for known in dbt_experiments.values_present(table, found[table], column, wanted) -%}
        {%- do wanted.remove(known) -%}
      {%- endfor -%}
    {%- endif -%}
  {%- endfor -%}
  {%- for metric_id in wanted -%}
    {%- do errors.append("the metric '" ~ metric_id ~ "' is planned in the var experiments but not defined: add it to the var "
        ~ "metrics or to the input table metric (and no kpi has this name)") -%}
  {%- endfor -%}
{% endmacro %}
