{% macro input_type(type) %}
  {{ return({
      'id': dbt.type_string(),
      'text': dbt.type_string(),
      'timestamp': dbt.type_timestamp(),
      'date': 'date',
      'number': dbt_experiments.type_double(),
      'integer': dbt.type_bigint(),
      'boolean': dbt.type_boolean(),
  }[type]) }}
{% endmacro %}
