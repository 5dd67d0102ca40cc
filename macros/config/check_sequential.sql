{% macro check_sequential(experiment, where, errors) %}
  {%- set known = dbt_experiments.sequential_methods() -%}
  {%- set group_sequential = dbt_experiments.allowed_values().group_sequential -%}
  {%- set allowed = group_sequential + dbt_experiments.allowed_values().always_valid -%}
  {%- set asked = experiment.get('sequential_method') -%}
  {%- set method = known.aliases.get(asked, asked) -%}
  {%- if asked is not none -%}
    {%- if method not in allowed -%}
      {%- do errors.append(where ~ " has the sequential method '" ~ asked ~ "' (allowed: "
          ~ (allowed + known.aliases.keys() | list) | join(', ') ~ ")") -%}
    {%- elif method in group_sequential and not (experiment.get('planned_units') or 0) > 0 -%}
      {%- do errors.append(where ~ " has the sequential method '" ~ asked ~ "' without planned_units: it spends alpha "
          ~ "towards a planned end (asymptotic_cs needs none)") -%}
    {%- endif -%}
  {%- endif -%}
  {%- set parameter = experiment.get('sequential_parameter') -%}
  {%- if parameter is not none -%}
    {%- if parameter is not number or parameter is boolean or (method == 'power' and parameter <= 0) -%}
      {%- do errors.append(where ~ " has the sequential parameter '" ~ parameter
          ~ "'; it must be a number, above 0 for the method power") -%}
    {%- elif method not in known.default_parameter -%}
      {%- do errors.append(where ~ " has a sequential parameter, which the methods "
          ~ known.default_parameter.keys() | join(' and ') ~ " only take") -%}
    {%- endif -%}
  {%- endif -%}
{% endmacro %}
