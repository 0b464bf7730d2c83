-- grain: one row per school year, ward of the school and grade
with enrolments as (
    select * from {{ ref('stg_education__pupils') }}
),

schools as (
    select * from {{ ref('city__schools') }}
),

-- Who moved stands in both schools, and the old one may not have said yet that they left: the newest standing holds.
-- Only standings at school are compared, for an old school often enters a departure later than the new one the arrival.
standings as (
    select
        school_year,
        school_year_name,
        school_code,
        grade,
        is_girl,
        is_boarding,
        row_number() over (
            partition by school_year, pupil_code
            order by status_date desc, school_code asc
        ) as standing_number
    from enrolments
    where is_at_school
),

present as (
    select * from standings
    where standing_number = 1
),

final as (
    select
        present.school_year,
        present.school_year_name,
        schools.ward_code,
        schools.ward_name,
        present.grade,
        cast(count(distinct present.school_code) as int) as school_count,
        cast(count(*) as int) as pupil_count,
        cast(count_if(present.is_girl) as int) as girl_count,
        cast(count_if(not present.is_girl) as int) as boy_count,
        cast(count_if(present.is_boarding) as int) as boarding_count
    from present
    left join schools on present.school_code = schools.school_code
    group by
        present.school_year,
        present.school_year_name,
        schools.ward_code,
        schools.ward_name,
        present.grade
)

select * from final
