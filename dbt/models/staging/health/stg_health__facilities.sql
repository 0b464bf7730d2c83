-- grain: one row per facility
with facilities as (
    select * from {{ source('raw_health', 'facilities') }}
),

final as (
    select
        facility_id,
        category,
        name as facility_name,
        name_en as facility_name_en,
        address,
        latitude,
        longitude,
        ward_code,
        opening_hours,
        checked_on as checked_date
    from facilities
)

select * from final
