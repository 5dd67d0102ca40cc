{% macro unknown_keys(entry, known, where, errors) %}
  {#- Adds an error for every key that is not known: a misspelt key would otherwise be silently ignored. -#}
  {%- for key in entry -%}
    {%- if key not in known -%}
      {%- do errors.append("unknown key '" ~ key ~ "' in " ~ where ~ " (known: " ~ known | join(', ') ~ ")") -%}
    {%- endif -%}
  {%- endfor -%}
{% endmacro %}
