-- grain: one row per school year, ward of the school and grade
with school_pupils as (
    select * from {{ ref('city__school_pupils') }}
),

schools as (
    select * from {{ ref('city__schools') }}
),

final as (
    select
        school_pupils.school_year,
        school_pupils.school_year_name,
        schools.ward_code,
        schools.ward_name,
        school_pupils.grade,
        cast(count(*) as int) as school_count,
        cast(sum(school_pupils.pupil_count) as int) as pupil_count,
        cast(sum(school_pupils.girl_count) as int) as girl_count,
        cast(sum(school_pupils.boy_count) as int) as boy_count,
        cast(sum(school_pupils.boarding_count) as int) as boarding_count
    from school_pupils
    left join schools on school_pupils.school_code = schools.school_code
    group by
        school_pupils.school_year,
        school_pupils.school_year_name,
        schools.ward_code,
        schools.ward_name,
        school_pupils.grade
)

select * from final
