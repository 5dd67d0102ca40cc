{% macro day_bit(position) %}
  {{ return(adapter.dispatch('day_bit', 'dbt_experiments')(position)) }}
{% endmacro %}

{% macro default__day_bit(position) %}
  {{ return('shiftleft(cast(1 as bigint), cast(pmod(' ~ position ~ ', 64) as int))') }}
{% endmacro %}

{% macro duckdb__day_bit(position) %}
  {#- The offset keeps the remainder positive for every date the engine knows. -#}
  {{ return('(cast(1 as ubigint) << cast((' ~ position ~ ' + 67108864) % 64 as ubigint))') }}
{% endmacro %}
