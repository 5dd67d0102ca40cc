{% macro sequential_methods() %}
  {{ return({
      'aliases': {'always_valid': 'asymptotic_cs'},
      'default_parameter': {'power': 2.0, 'hwang_shih_decani': -4.0},
  }) }}
{% endmacro %}
