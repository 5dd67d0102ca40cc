{% macro check_config() %}
  {%- if execute and flags.WHICH in ['build', 'run', 'test', 'snapshot'] -%}
    {%- set errors = [] -%}
    {%- do dbt_experiments.check_settings(errors) -%}
    {%- set declared = dbt_experiments.declared_experiments() -%}
    {%- do errors.extend(declared.errors) -%}
    {%- if not dbt_experiments.is_demo() -%}
      {%- do dbt_experiments.check_inputs(declared.rows, errors) -%}
    {%- endif -%}
    {%- if errors -%}
      {{ exceptions.raise_compiler_error(
          "dbt_experiments cannot run with these settings:\n  - " ~ errors | join("\n  - ")) }}
    {%- endif -%}
  {%- endif -%}
{% endmacro %}
