{% macro sum_of_products(a, b) %}
  {#- The centred sum of products of two columns, by the engine's own one-pass centred moments. -#}
  {%- if a == b -%}
    {{ return("var_pop(" ~ a ~ ") * count(" ~ a ~ ")") }}
  {%- else -%}
    {{ return("covar_pop(" ~ a ~ ", " ~ b ~ ") * count(" ~ a ~ ")") }}
  {%- endif -%}
{% endmacro %}
