-- Outlines and the list of wards are two files of one source: a row is a ward that only the outlines know. The land use
-- counts every parcel in a ward, and has few rows.
with land_use as (
    select * from {{ ref('city__land_use') }}
),

wards as (
    select * from {{ ref('wards') }}
),

located as (
    select distinct ward_code from land_use
),

final as (
    select located.ward_code
    from located
    left anti join wards on located.ward_code = wards.code
)

select * from final
