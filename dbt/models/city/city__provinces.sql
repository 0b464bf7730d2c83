-- grain: one row per province in force
with provinces as (
    select * from {{ ref('provinces') }}
),

final as (
    select
        code as province_code,
        name as province_name,
        name_en as province_name_en,
        full_name,
        full_name_en,
        unit_type
    from provinces
)

select * from final
