{% macro check_settings(errors) %}
  {%- for name, rule in dbt_experiments.setting_rules().items() -%}
    {%- do dbt_experiments.check_setting(name, rule, errors) -%}
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
  {%- for table in (var('input_identifiers') if var('input_identifiers') is mapping else {}) -%}
    {%- if table not in tables -%}
      {%- do errors.append("the var input_identifiers names the input '" ~ table ~ "', which does not exist (inputs: "
          ~ tables.keys() | join(', ') ~ ")") -%}
    {%- endif -%}
  {%- endfor -%}
  {%- for table, columns in (var('input_columns') if var('input_columns') is mapping else {}).items() -%}
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
