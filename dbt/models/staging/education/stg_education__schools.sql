-- grain: one row per school
with schools as (
    select * from {{ source('raw_education', 'schools') }}
),

-- Name and telephone of the head are personal and nothing here needs them.
final as (
    select
        school_code,
        school_name,
        level,
        ownership,
        ward_code,
        ward_name as reported_ward_name,
        address,
        class_count,
        pupil_count,
        teacher_count,
        area_m2,
        founded_year
    from schools
)

select * from final
