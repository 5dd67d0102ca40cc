{% test unique_combination(model, columns) %}
-- The columns are a key: no two rows agree on all of them, and none of them is null.

select
    {{ columns | join(', ') }},
    count(*) as n_rows
from {{ model }}
group by {{ columns | join(', ') }}
having count(*) > 1 or {{ columns | join(' is null or ') }} is null

{% endtest %}
