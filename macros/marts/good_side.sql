{% macro good_side(effect_scale, direction, estimate='headline') %}
  {%- set sides = {'good_estimate': ['lift', 'effect'], 'good_low': ['lift_ci_low', 'effect_ci_low'],
                   'good_high': ['lift_ci_high', 'effect_ci_high']} -%}
  {%- set turned = {'good_estimate': 'good_estimate', 'good_low': 'good_high', 'good_high': 'good_low'} -%}
  {%- for name, columns in sides.items() %}
case
            when {{ direction }} = 'decrease'
                then -case {{ effect_scale }}
                    when 'absolute' then {{ estimate }}.{{ sides[turned[name]][1] }}
                    else {{ estimate }}.{{ sides[turned[name]][0] }}
                end
            else
                case {{ effect_scale }}
                    when 'absolute' then {{ estimate }}.{{ columns[1] }} else {{ estimate }}.{{ columns[0] }}
                end
        end as {{ name }}{{ ',' if not loop.last }}
        {% endfor -%}
{%- endmacro %}
