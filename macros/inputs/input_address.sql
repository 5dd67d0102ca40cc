{% macro input_address(table) %}
  {#- Where the vars say that an input is: the same place the source `experiments` points to. -#}
  {{ return(api.Relation.create(
      database=var('inputs_database') or target.database,
      schema=var('inputs_schema'),
      identifier=var('input_identifiers').get(table, table),
  )) }}
{% endmacro %}
