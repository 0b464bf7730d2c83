-- The GeoHash is to name a parcel in all the country, and its cells are 37 by 19 mm. Two parcels in one are one parcel
-- that was delivered twice, under two identifiers, and counts twice in every sum.
{{ config(severity='warn') }}
with parcels as (
    select * from {{ ref('city__parcels') }}
),

final as (
    select
        geohash,
        count(*) as parcel_count,
        min(parcel_id) as first_parcel_id,
        max(parcel_id) as last_parcel_id
    from parcels
    group by geohash
    having count(*) > 1
)

select * from final
