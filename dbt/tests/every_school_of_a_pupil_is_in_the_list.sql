-- A pupil of a school that the list does not have would belong to no ward. Rows are such schools.
with pupils as (
    select * from {{ ref('city__school_pupils') }}
),

schools as (
    select * from {{ ref('city__schools') }}
),

final as (
    select
        pupils.school_year_name,
        pupils.school_code,
        sum(pupils.pupil_count) as pupil_count
    from pupils
    left join schools on pupils.school_code = schools.school_code
    where schools.school_code is null
    group by
        pupils.school_year_name,
        pupils.school_code
)

select * from final
