{% macro check_inputs(declared, errors) %}
  {%- set found = {} -%}
  {%- for table, spec in dbt_experiments.input_tables().items() -%}
    {%- set address = dbt_experiments.input_address(table) -%}
    {%- set relation = adapter.get_relation(address.database, address.schema, address.identifier) -%}
    {%- if relation is not none -%}
      {%- do found.update({table: relation}) -%}
      {%- do dbt_experiments.input_columns(table, relation, errors) -%}
    {%- elif spec.required and not (table in ['experiment', 'variant'] and declared.experiment) -%}
      {%- do errors.append("the input table " ~ table ~ " was not found at " ~ address.render()
          ~ "; create it, or say where it is with the vars inputs_database, inputs_schema and input_identifiers: {"
          ~ table ~ ": ...}") -%}
    {%- elif table in var('input_identifiers') -%}
      {%- do errors.append("the var input_identifiers says that the input " ~ table ~ " is " ~ address.render()
          ~ ", which does not exist") -%}
    {%- endif -%}
  {%- endfor -%}
  {%- if not errors -%}
    {%- do dbt_experiments.check_declarations(declared, found, errors) -%}
  {%- endif -%}
{% endmacro %}
