-- grain: one row per district and spell in which it had the same name
with districts as (
    select * from {{ ref('districts') }}
),

final as (
    select
        code as district_code,
        valid_from,
        valid_to,
        name as district_name,
        full_name,
        unit_type,
        province_code
    from districts
)

select * from final
