{% macro sequential_setting(which, input='input') %}
  {%- set known = dbt_experiments.sequential_methods() -%}
  {%- set parameter = input ~ '.sequential_parameter' -%}
  {%- set said -%}
    case nullif(trim(lower({{ input }}.sequential_method)), '')
            {%- for alias, method in known.aliases.items() %} when '{{ alias }}' then '{{ method }}'{% endfor %}
            else nullif(trim(lower({{ input }}.sequential_method)), '')
        end
  {%- endset -%}
  {%- set group_sequential = dbt_experiments.words_of('group_sequential') -%}
  {%- set always_valid = dbt_experiments.words_of('always_valid') -%}
  {%- if which == 'method' -%}
case
        when {{ said }} in {{ always_valid }} or ({{ said }} in {{ group_sequential }} and {{ input }}.planned_units > 0)
            then {{ said }}
    end
  {%- elif which == 'parameter' -%}
case {{ said }}
        {%- for method, default in known.default_parameter.items() %}
        when '{{ method }}' then
            case
                when {{ dbt_experiments.is_finite(parameter) }}{{ ' and ' ~ parameter ~ ' > 0' if method == 'power' }}
                    then {{ parameter }}
                else cast({{ default }} as {{ dbt_experiments.type_double() }})
            end
        {%- endfor %}
    end
  {%- else -%}
case
        when {{ said }} not in {{ group_sequential }} and {{ said }} not in {{ always_valid }}
            then 'unknown_sequential_method'
        when {{ said }} in {{ group_sequential }} and not coalesce({{ input }}.planned_units > 0, false)
            then 'no_planned_units'
        when {{ said }} in ('{{ known.default_parameter.keys() | join("', '") }}')
            and not ({{ dbt_experiments.is_finite(parameter) }} and ({{ said }} <> 'power' or {{ parameter }} > 0))
            then 'bad_sequential_parameter'
    end
  {%- endif -%}
{% endmacro %}
