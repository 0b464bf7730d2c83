-- grain: one row per year and ward in force
with wards as (
    select * from {{ ref('wards') }}
),

schools as (
    select * from {{ ref('city__schools') }}
),

school_pupils as (
    select * from {{ ref('city__school_pupils') }}
),

pupils as (
    select * from {{ ref('city__pupils') }}
),

health_facilities as (
    select * from {{ ref('city__health_facilities') }}
),

disease_weeks as (
    select * from {{ ref('city__disease_weeks') }}
),

fdi_projects as (
    select * from {{ ref('city__fdi_projects') }}
),

public_projects as (
    select * from {{ ref('city__public_projects') }}
),

land_use as (
    select * from {{ ref('city__land_use') }}
),

-- A year is told of when pupils or diseases of it were reported.
years as (
    select school_year as of_year from pupils
    union distinct
    select year as of_year from disease_weeks
),

units as (
    select
        years.of_year,
        wards.code as ward_code,
        wards.full_name,
        wards.area_km2,
        wards.population
    from wards
    cross join years
),

taught as (
    select
        school_pupils.school_year as of_year,
        schools.ward_code,
        count(distinct school_pupils.school_code) as school_count
    from school_pupils
    inner join schools on school_pupils.school_code = schools.school_code
    group by school_pupils.school_year, schools.ward_code
),

studying as (
    select
        school_year as of_year,
        ward_code,
        sum(pupil_count) as pupil_count
    from pupils
    group by school_year, ward_code
),

treated as (
    select
        ward_code,
        count(*) as health_facility_count
    from health_facilities
    group by ward_code
),

ill as (
    select
        year as of_year,
        ward_code,
        sum(cases) as dengue_case_count,
        count(distinct week) as reported_week_count
    from disease_weeks
    where disease_code = 'SXH'
    group by year, ward_code
),

-- Valid in a year: licensed by its end, and not ended before it.
invested as (
    select
        units.of_year,
        units.ward_code,
        cast(sum(cast(fdi_projects.registered_capital_usd as decimal(18, 2))) as double) as fdi_capital_usd,
        count(fdi_projects.project_code) as fdi_project_count
    from units
    inner join fdi_projects
        on
            units.ward_code = fdi_projects.ward_code
            and units.of_year >= year(fdi_projects.licence_date)
            and (fdi_projects.expiry_date is null or units.of_year <= year(fdi_projects.expiry_date))
    group by units.of_year, units.ward_code
),

built as (
    select
        units.of_year,
        units.ward_code,
        count(public_projects.project_code) as public_project_count,
        sum(public_projects.total_cost_mvnd) as public_project_cost_mvnd
    from units
    inner join public_projects
        on
            units.ward_code = public_projects.ward_code
            and units.of_year between public_projects.start_year and public_projects.end_year
    group by units.of_year, units.ward_code
),

land as (
    select
        ward_code,
        cast(sum(cast(geodesic_area_m2 as decimal(18, 2))) as double) as parcel_area_m2,
        cast(
            sum(if(main_use_code in ('ODT', 'ONT'), cast(geodesic_area_m2 as decimal(18, 2)), 0)) as double
        ) as residential_area_m2,
        sum(parcel_count) as parcel_count
    from land_use
    group by ward_code
),

-- Ratios are of the sums. Where nobody reported there is nothing, not zero; a ward without a school has none.
final as (
    select
        units.of_year as year,  -- noqa: RF04
        units.ward_code,
        units.full_name,
        units.area_km2,
        units.population,
        taught.school_count,
        studying.pupil_count,
        treated.health_facility_count,
        ill.reported_week_count,
        ill.dengue_case_count,
        invested.fdi_project_count,
        invested.fdi_capital_usd,
        built.public_project_count,
        built.public_project_cost_mvnd,
        land.parcel_count,
        land.parcel_area_m2,
        land.residential_area_m2,
        round(units.population / units.area_km2, 1) as people_per_km2,
        round(studying.pupil_count / taught.school_count, 1) as pupils_per_school,
        round(10000 * treated.health_facility_count / units.population, 2) as health_facilities_per_10000,
        round(100000 * ill.dengue_case_count / units.population, 2) as dengue_cases_per_100000,
        round(100 * land.residential_area_m2 / land.parcel_area_m2, 2) as residential_area_pct
    from units
    left join taught on units.of_year = taught.of_year and units.ward_code = taught.ward_code
    left join studying on units.of_year = studying.of_year and units.ward_code = studying.ward_code
    left join treated on units.ward_code = treated.ward_code
    left join ill on units.of_year = ill.of_year and units.ward_code = ill.ward_code
    left join invested on units.of_year = invested.of_year and units.ward_code = invested.ward_code
    left join built on units.of_year = built.of_year and units.ward_code = built.ward_code
    left join land on units.ward_code = land.ward_code
)

select * from final
