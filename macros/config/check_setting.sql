{% macro check_setting(name, rule, errors) %}
  {%- set value = var(name) -%}
  {%- set shown = "the var " ~ name ~ " is " ~ ("'" ~ value ~ "'" if value is string else value) -%}
  {%- set is_right = true -%}
  {%- if value is none -%}
    {%- set is_right = rule.null or rule.type == 'any' -%}
  {%- elif rule.type in ['number', 'integer'] -%}
    {%- set is_right = value is number and value is not boolean and (rule.type == 'number' or value is integer)
        and (rule.above is undefined or value > rule.above)
        and (rule.least is undefined or value >= rule.least)
        and (rule.below is undefined or value < rule.below) -%}
  {%- elif rule.type == 'text' -%}
    {%- set is_right = value is string and value | trim -%}
  {%- elif rule.type == 'boolean' -%}
    {%- set is_right = value is boolean -%}
  {%- elif rule.type == 'map' -%}
    {%- set is_right = value is mapping -%}
  {%- elif rule.type == 'date' -%}
    {%- set is_right = modules.re.match(
        '^\\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])( 00:00:00)?$', value | string) is not none -%}
    {%- if is_right and not dbt_experiments.is_calendar_day(value | string) -%}
      {%- do errors.append("the var " ~ name ~ " is '" ~ value ~ "', which is not in the calendar") -%}
    {%- endif -%}
  {%- endif -%}
  {%- if rule.type == 'word' and value not in rule.allowed -%}
    {%- do errors.append(shown ~ " (allowed: " ~ rule.allowed | join(', ') ~ ")") -%}
  {%- elif not is_right -%}
    {%- do errors.append(shown ~ "; it must be " ~ (rule.words or "a whole number of at least " ~ rule.least)) -%}
  {%- endif -%}
  {%- if rule.before and value is number and var(rule.before[0]) is number and value >= var(rule.before[0]) -%}
    {%- do errors.append("the var " ~ name ~ " (" ~ value ~ ") is not below the var " ~ rule.before[0] ~ " ("
        ~ var(rule.before[0]) ~ "): " ~ rule.before[1]) -%}
  {%- endif -%}
{% endmacro %}
