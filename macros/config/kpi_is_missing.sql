{% macro kpi_is_missing(kpi) %}
  {#- Whether no row of any experiment or event stream ever named a kpi: a misspelt name would otherwise be all zeros. -#}
  {{ return(kpi ~ " not in (select kpi_name from " ~ ref('experiments__kpi_profile') ~ " where kpi_name is not null)") }}
{% endmacro %}
