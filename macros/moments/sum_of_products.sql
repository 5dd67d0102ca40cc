{% macro sum_of_products(a, b) %}
  {%- if a == b -%}
    {{ return("var_pop(" ~ a ~ ") * count(" ~ a ~ ")") }}
  {%- else -%}
    {{ return("covar_pop(" ~ a ~ ", " ~ b ~ ") * count(" ~ a ~ ")") }}
  {%- endif -%}
{% endmacro %}
