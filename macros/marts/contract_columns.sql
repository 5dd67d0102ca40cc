{% macro contract_columns(relation) %}
  {#-
    The columns that the contract of the model names, from one relation: the contract is the list, and a column joins the
    mart where its name, type and description are written. A frame's dates are timestamps.
  -#}
  {%- for column in model.columns.values() %}
    {%- set source = relation ~ '.' ~ column.name %}
    {{ 'cast(' ~ source ~ ' as date) as ' ~ column.name if column.data_type == 'date' else source }}
    {{- ',' if not loop.last }}
  {%- endfor %}
{%- endmacro %}
