-- grain: one row per ward in force and land-use code
with parcels as (
    select * from {{ ref('city__parcels') }}
),

wards as (
    select * from {{ ref('wards') }}
),

land_use_codes as (
    select * from {{ ref('land_use_codes') }}
),

-- Parcels that lie in no ward count nowhere: the test `every_parcel_lies_in_a_ward` tells how many there are.
-- Areas, which have two decimals, are summed as hundredths: sums of doubles depend on the order of rows, and would
-- differ from build to build; and a double becomes a decimal by way of text (4.3 million parcels: 8 s, this way 3 s).
counted as (
    select
        ward_code,
        use_code,
        main_use_code,
        sum(floor(100 * geodesic_area_m2 + 0.5D)) / 100 as geodesic_area_m2,
        sum(floor(100 * legal_area_m2 + 0.5D)) / 100 as legal_area_m2,
        count(*) as parcel_count,
        count(legal_area_m2) as legal_area_parcel_count
    from parcels
    where ward_code is not null
    group by ward_code, use_code, main_use_code
),

final as (
    select
        counted.ward_code,
        wards.full_name,
        counted.use_code,
        counted.main_use_code,
        land_use_codes.name_vi as main_use_name_vi,
        land_use_codes.name_en as main_use_name_en,
        counted.parcel_count,
        counted.geodesic_area_m2,
        counted.legal_area_m2,
        counted.legal_area_parcel_count
    from counted
    left join wards on counted.ward_code = wards.code
    left join land_use_codes on counted.main_use_code = land_use_codes.code
)

select * from final
