{% macro kpi_is_missing(kpi) %}
  {{ return(kpi ~ " not in (select kpi_name from " ~ ref('experiments__kpi_profile') ~ " where kpi_name is not null)") }}
{% endmacro %}
