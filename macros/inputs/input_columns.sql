{% macro input_columns(table, relation, errors=none) %}
  {%- set renamed = var('input_columns').get(table, {}) -%}
  {%- set by_name = {} -%}
  {%- for column in adapter.get_columns_in_relation(relation) -%}
    {%- do by_name.update({column.name | lower: column}) -%}
  {%- endfor -%}
  {%- set present = {} -%}
  {%- for name, column in dbt_experiments.input_tables()[table].columns.items() -%}
    {%- set actual = renamed.get(name, name) -%}
    {%- if actual | lower in by_name -%}
      {%- do present.update({name: by_name[actual | lower]}) -%}
    {%- elif column[1] or name in renamed -%}
      {%- set problem = "the input table " ~ table ~ " (" ~ relation.render() ~ ") has no column '" ~ actual ~ "'"
          ~ (", which is required" if column[1] else ", which the var input_columns names")
          ~ "; add it, or name the column that holds it with the var input_columns: {" ~ table ~ ": {" ~ name ~ ": ...}}" -%}
      {%- if errors is none -%}
        {{ exceptions.raise_compiler_error("dbt_experiments: " ~ problem) }}
      {%- endif -%}
      {%- do errors.append(problem) -%}
    {%- endif -%}
  {%- endfor -%}
  {{ return(present) }}
{% endmacro %}
