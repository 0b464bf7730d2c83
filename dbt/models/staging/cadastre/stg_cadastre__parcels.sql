-- grain: one row per parcel
with parcels as (
    select * from {{ source('raw_cadastre', 'parcels') }}
),

final as (
    select
        parcel_id,
        geohash,
        ward_code as stated_ward_code,
        located_ward_code,
        use_code,
        area_m2,
        legal_area_m2,
        geodesic_area_m2,
        longitude,
        latitude,
        crs_epsg,
        updated_date,
        _file,
        substring_index(use_code, '+', 1) as main_use_code
    from parcels
)

select * from final
