{% macro mature_on_count(counted, plan='plan', day='anchored_on') %}
  {{ return(dbt_experiments.mature_on(
      'cast(' ~ counted ~ '.' ~ day ~ ' as ' ~ dbt.type_timestamp() ~ ') + case when ' ~ counted
      ~ ".is_after_midnight then interval '1' second else interval '0' second end",
      plan, plan ~ '.as_of'
  )) }}
{% endmacro %}
