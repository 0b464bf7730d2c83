-- Both zones stretch areas by less than 0.1 % in the city. Where more than a parcel of a hundred differs by more than
-- 1 %, areas were surveyed otherwise than drawn, or are of another unit. Rows are zones, with counts.
{{ config(severity='warn') }}
with parcels as (
    select * from {{ ref('city__parcels') }}
),

counted as (
    select
        crs_epsg,
        count(*) as parcel_count,
        count_if(abs(area_m2 - geodesic_area_m2) > 0.01 * geodesic_area_m2) as differing_count
    from parcels
    group by crs_epsg
),

final as (
    select *
    from counted
    where differing_count > 0.01 * parcel_count
)

select * from final
