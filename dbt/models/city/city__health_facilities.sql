-- grain: one row per health facility
with facilities as (
    select * from {{ ref('stg_health__facilities') }}
),

wards as (
    select * from {{ ref('wards') }}
),

final as (
    select
        facilities.facility_id,
        facilities.category,
        facilities.facility_name,
        facilities.facility_name_en,
        facilities.address,
        facilities.ward_code,
        wards.name as ward_name,
        facilities.latitude,
        facilities.longitude,
        facilities.opening_hours,
        facilities.checked_date
    from facilities
    left join wards on facilities.ward_code = wards.code
)

select * from final
