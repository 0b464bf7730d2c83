-- grain: one row per former province
with former_provinces as (
    select * from {{ ref('former_provinces') }}
),

provinces as (
    select * from {{ ref('provinces') }}
),

final as (
    select
        former_provinces.code as former_province_code,
        former_provinces.name as former_province_name,
        former_provinces.full_name as former_full_name,
        former_provinces.successor_code as province_code,
        provinces.name as province_name
    from former_provinces
    left join provinces on former_provinces.successor_code = provinces.code
)

select * from final
