-- Outlines and the list of wards are two files of one source: a row is a ward that only the outlines know.
with parcels as (
    select * from {{ ref('city__parcels') }}
),

wards as (
    select * from {{ ref('wards') }}
),

final as (
    select distinct parcels.ward_code
    from parcels
    left join wards on parcels.ward_code = wards.code
    where parcels.ward_code is not null and wards.code is null
)

select * from final
