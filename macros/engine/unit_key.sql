{% macro unit_key() %}
  {{ return(adapter.dispatch('unit_key', 'dbt_experiments')()) }}
{% endmacro %}

{% macro default__unit_key() %}
  {{ return('row_number() over ()') }}
{% endmacro %}

{% macro spark__unit_key() %}
  {{ return('monotonically_increasing_id()') }}
{% endmacro %}
