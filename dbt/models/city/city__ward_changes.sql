-- grain: one row per former ward, and ward that some of it became part of
with ward_changes as (
    select * from {{ ref('ward_changes') }}
),

parts as (
    select
        from_code,
        from_valid_from,
        count_if(basis = 'unstated') as unstated
    from ward_changes
    group by all
),

final as (
    select
        ward_changes.from_code as from_ward_code,
        ward_changes.from_valid_from,
        ward_changes.to_code as to_ward_code,
        ward_changes.valid_from as to_valid_from,
        ward_changes.resolution,
        case ward_changes.basis
            when 'whole' then cast(1 as double)
            when 'no_people' then cast(0 as double)
            else cast(1 as double) / parts.unstated
        end as weight,
        ward_changes.basis = 'unstated' as is_estimate,
        case ward_changes.basis
            when 'whole' then 'all of it, by the resolution'
            when 'no_people' then 'a piece of land without people, by the resolution'
            else 'no share is stated anywhere: counted as equal parts'
        end as weight_method
    from ward_changes
    inner join parts
        on
            ward_changes.from_code = parts.from_code
            and ward_changes.from_valid_from = parts.from_valid_from
)

select * from final
