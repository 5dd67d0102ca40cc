{% macro seconds_between(from_timestamp, to_timestamp) %}
  {{ return(adapter.dispatch('seconds_between', 'dbt_experiments')(from_timestamp, to_timestamp)) }}
{% endmacro %}

{% macro default__seconds_between(from_timestamp, to_timestamp) %}
  {{ return('(epoch_us(' ~ to_timestamp ~ ') - epoch_us(' ~ from_timestamp ~ ')) / 1e6') }}
{% endmacro %}

{% macro spark__seconds_between(from_timestamp, to_timestamp) %}
  {{ return('(unix_micros(' ~ to_timestamp ~ ') - unix_micros(' ~ from_timestamp ~ ')) / 1e6') }}
{% endmacro %}
