{{ config(materialized='view') }}
-- The comparisons that the results rest on: everything mature at `as_of`.

select *
from {{ ref('experiments__look_comparison') }}
where is_last_look
