-- Outlines and the list of wards are two files of one source: a row is a ward that only the outlines know.
with parcels as (
    select * from {{ ref('city__parcels') }}
),

wards as (
    select * from {{ ref('wards') }}
),

located as (
    select distinct ward_code from parcels
    where ward_code is not null
),

final as (
    select located.ward_code
    from located
    left anti join wards on located.ward_code = wards.code
)

select * from final
