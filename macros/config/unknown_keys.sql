{% macro unknown_keys(entry, known, where, errors) %}
  {%- for key in entry -%}
    {%- if key not in known -%}
      {%- do errors.append("unknown key '" ~ key ~ "' in " ~ where ~ " (known: " ~ known | join(', ') ~ ")") -%}
    {%- endif -%}
  {%- endfor -%}
{% endmacro %}
