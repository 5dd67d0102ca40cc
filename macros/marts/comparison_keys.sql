{% macro comparison_keys(finer=none) %}
  {#- The grain of the results: experiment, metric, treatment, population and segment; `finer` is one more key column. -#}
  {{ return(['exp_id', 'metric_id', 'variant_id', 'population', 'dimension', 'segment'] + ([finer] if finer else [])) }}
{% endmacro %}
