{% macro unit_key() %}
  {#- A dense integer key for the rows of a query, in any order. -#}
  {{ return(adapter.dispatch('unit_key', 'dbt_experiments')()) }}
{% endmacro %}

{% macro default__unit_key() %}
  {{ return('row_number() over ()') }}
{% endmacro %}

{% macro spark__unit_key() %}
  {{ return('monotonically_increasing_id()') }}
{% endmacro %}
