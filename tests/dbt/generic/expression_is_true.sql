{% test expression_is_true(model, expression) %}
-- The expression holds in every row. An expression that is null does not hold: nulls are allowed in so many words or not.

select *
from {{ model }}
where not coalesce({{ expression }}, false)

{% endtest %}
