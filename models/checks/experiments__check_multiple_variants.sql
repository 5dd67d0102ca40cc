-- How many units were seen in more than one variant?

with seen as (
    select
        exp_id,
        variant_id,
        count(distinct unit_id) as n_units
    from {{ ref('experiments__assignment_issue') }}
    where reason = 'multiple_variants'
    group by exp_id, variant_id
),

multiple as (
    select
        experiment.exp_id,
        coalesce(max(excluded.n_units), 0) as n_excluded,
        coalesce(max(kept.n_units), 0) as n_kept,
        max(by_variant.listed) as listed
    from {{ ref('experiments__experiment') }} as experiment
    left join (
        select exp_id, count(distinct unit_id) as n_units
        from {{ ref('experiments__assignment_issue') }}
        where reason = 'multiple_variants'
        group by exp_id
    ) as excluded on experiment.exp_id = excluded.exp_id
    left join (
        select exp_id, sum(n_units) as n_units from {{ ref('experiments__assignment_count') }} group by exp_id
    ) as kept on experiment.exp_id = kept.exp_id
    left join (
        select
            exp_id,
            {{ dbt.listagg("variant_id || ' ' || cast(n_units as " ~ dbt.type_string() ~ ")", "', '", 'order by variant_id') }}
                as listed
        from seen
        group by exp_id
    ) as by_variant on experiment.exp_id = by_variant.exp_id
    group by experiment.exp_id
)

select
    exp_id,
    'all' as scope,
    case
        when n_excluded + n_kept = 0 then 'not_applicable'
        when n_excluded * 1.0 / (n_excluded + n_kept) > {{ var('multiple_variants_fail_share') }} then 'fail'
        when n_excluded * 1.0 / (n_excluded + n_kept) > {{ var('multiple_variants_warn_share') }} then 'warn'
        else 'pass'
    end as status,
    n_excluded * 1.0 / nullif(n_excluded + n_kept, 0) as statistic,
    cast(null as {{ dbt_experiments.type_double() }}) as p_value,
    {{ var('multiple_variants_fail_share') }} as threshold,
    case
        when n_excluded + n_kept = 0 then 'No assigned units.'
        when n_excluded = 0 then 'No unit was seen in more than one variant.'
        else
            cast(n_excluded as {{ dbt.type_string() }})
            || ' units were seen in more than one variant and are excluded from every estimate (by variant: '
            || listed || ').'
    end as message
from multiple
