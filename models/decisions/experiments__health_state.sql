-- What the rule asks of the health checks: the worst of them, and the first failure in words.

with ranked as (
    select
        *,
        row_number() over (
            partition by exp_id, status
            -- A failure that explains the others speaks first.
            order by case check_name when 'configuration' then 0 when 'srm' then 1 else 2 end, check_name
        ) as place
    from {{ ref('experiments__health') }}
)

select
    exp_id,
    case
        when max(case when status = 'fail' then 1 else 0 end) = 1 then 'fail'
        when max(case when status = 'warn' then 1 else 0 end) = 1 then 'warn'
        else 'pass'
    end as health_status,
    max(case when status = 'fail' and place = 1 then message end) as first_failure,
    {{ dbt.listagg("case when status in ('fail', 'warn') then check_name end", "', '", 'order by check_name') }}
        as health_concerns
from ranked
group by exp_id
