{% macro input_address(table) %}
  {{ return(api.Relation.create(
      database=var('inputs_database') or target.database,
      schema=var('inputs_schema'),
      identifier=var('input_identifiers').get(table, table),
  )) }}
{% endmacro %}
