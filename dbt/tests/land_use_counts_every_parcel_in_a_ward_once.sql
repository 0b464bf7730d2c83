-- A row is the two counts, where they differ: a join that doubles or loses parcels.
with parcels as (
    select * from {{ ref('city__parcels') }}
),

land_use as (
    select * from {{ ref('city__land_use') }}
),

located as (
    select count(ward_code) as parcel_count from parcels
),

counted as (
    select sum(parcel_count) as parcel_count from land_use
),

final as (
    select
        located.parcel_count,
        counted.parcel_count as land_use_count
    from located
    cross join counted
    where located.parcel_count <> counted.parcel_count
)

select * from final
