{% macro generate_alias_name(custom_alias_name=none, node=none) -%}
  {#-
    Names of models are unique in a whole project with its packages, so those of the package's own workings start with
    `experiments__`; their tables, in a schema of their own, do not.
  -#}
  {%- if custom_alias_name is not none -%}
    {{ custom_alias_name | trim }}
  {%- elif node.version -%}
    {{ node.name ~ '_v' ~ (node.version | replace('.', '_')) }}
  {%- else -%}
    {{ node.name.removeprefix('experiments__') }}
  {%- endif -%}
{%- endmacro %}
