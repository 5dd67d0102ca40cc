{% macro sequential_methods() %}
  {#-
    Methods of a plan with repeated looks: those that spend alpha towards a planned end, those that need no end, other names
    of these, and the parameter of a spending function whose plan gives none.
  -#}
  {{ return({
      'group_sequential': ['obrien_fleming', 'pocock', 'power', 'hwang_shih_decani'],
      'always_valid': ['msprt', 'asymptotic_cs'],
      'aliases': {'always_valid': 'asymptotic_cs'},
      'default_parameter': {'power': 2.0, 'hwang_shih_decani': -4.0},
  }) }}
{% endmacro %}
