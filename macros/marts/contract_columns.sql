{% macro contract_columns(relation, made={}) %}
  {#-
    The columns that the contract of the model names, from one relation: the contract is the list, and a column joins the
    mart where its name, type and description are written. `made` has what the mart says itself. A frame's dates are timestamps.
  -#}
  {%- for column in model.columns.values() %}
    {%- set source = relation ~ '.' ~ column.name %}
    {%- if column.name in made %}
    {{ made[column.name] }} as {{ column.name }}
    {%- else %}
    {{ 'cast(' ~ source ~ ' as date) as ' ~ column.name if column.data_type == 'date' else source }}
    {%- endif %}
    {{- ',' if not loop.last }}
  {%- endfor %}
{%- endmacro %}
