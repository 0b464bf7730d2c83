-- grain: one row per school year and ward of 2025-06-30
-- depends_on: {{ ref('city__wards') }}, {{ ref('city__ward_weights') }}
with pupils as (
    select * from {{ ref('city__pupils') }}
),

wards as (
    select * from {{ ref('city__wards') }}
),

by_ward as (
    select
        school_year,
        school_year_name,
        ward_code,
        sum(pupil_count) as pupil_count
    from pupils
    group by all
),

years as (
    select distinct
        school_year,
        school_year_name
    from by_ward
),

-- Everybody counts among the people, also where a ward has no school. Schools are listed by the wards since 2025-07-01,
-- whatever the school year.
counted as (
    select
        years.school_year,
        years.school_year_name,
        wards.ward_code,
        wards.population,
        by_ward.pupil_count
    from wards
    cross join years
    left join by_ward
        on
            wards.ward_code = by_ward.ward_code
            and years.school_year = by_ward.school_year
    where wards.valid_to is null
),

shared as (
    {{ in_units_of(
        'counted',
        "date'2025-07-01'",
        units_on('2025-06-30'),
        ['population', 'pupil_count'],
        ratios={'pupils_per_1000': 'round(1000 * pupil_count / population, 1)'},
        by=['school_year', 'school_year_name']
    ) }}
),

final as (
    select
        shared.school_year,
        shared.school_year_name,
        shared.ward_code,
        wards.full_name,
        wards.district_name,
        shared.population,
        shared.pupil_count,
        shared.pupils_per_1000,
        shared.is_estimate
    from shared
    left join wards
        on
            shared.ward_code = wards.ward_code
            and shared.ward_valid_from = wards.valid_from
    where shared.pupil_count is not null
)

select * from final
