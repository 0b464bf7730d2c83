-- grain: one row per ward, commune or special zone of the city
with wards as (
    select * from {{ ref('wards') }}
),

final as (
    select
        code as ward_code,
        name as ward_name,
        name_en as ward_name_en,
        full_name,
        unit_type,
        province_code,
        area_km2,
        population
    from wards
)

select * from final
