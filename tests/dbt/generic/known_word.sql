{% test known_word(model, column_name, words) %}
-- Every value is a word of the list `words` of the macro allowed_values. Nulls are allowed.

select
    {{ column_name }},
    count(*) as n_rows
from {{ model }}
where {{ column_name }} not in {{ dbt_experiments.words_of(words) }}
group by {{ column_name }}

{% endtest %}
