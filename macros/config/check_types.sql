{% macro check_types(row, table, where, errors) %}
  {#- It goes into SQL otherwise, also while dbt only parses. -#}
  {%- for name, column in dbt_experiments.input_tables()[table].columns.items() if row.get(name) is not none -%}
    {%- set value, type = row[name], column[0] -%}
    {%- if type in ('number', 'integer') -%}
      {%- set fits = value is number and value is not boolean and (type == 'number' or value is integer) -%}
    {%- elif type in ('timestamp', 'date') -%}
      {%- set fits = modules.re.match(
          '^\\d{4}-\\d{2}-\\d{2}([ T]\\d{2}:\\d{2}(:\\d{2}(\\.\\d+)?)?)?([+-]\\d{2}:?\\d{2}|Z)?$', value | string) is not none -%}
    {%- elif type == 'boolean' -%}
      {%- set fits = value is boolean -%}
    {%- else -%}
      {%- set fits = value is not mapping and (value is string or value is not iterable) -%}
    {%- endif -%}
    {%- if not fits -%}
      {%- do errors.append(where ~ " has " ~ name ~ " '" ~ value ~ "', which is not of the type " ~ type) -%}
      {%- do row.update({name: none}) -%}
    {%- endif -%}
  {%- endfor -%}
{% endmacro %}
