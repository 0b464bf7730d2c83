-- grain: one row per school
with schools as (
    select * from {{ ref('stg_education__schools') }}
),

wards as (
    select * from {{ ref('wards') }}
),

final as (
    select
        schools.school_code,
        schools.school_name,
        schools.level,
        schools.ownership,
        schools.ward_code,
        wards.name as ward_name,
        {{ name_key('schools.reported_ward_name') }} = {{ name_key('wards.full_name') }} as is_ward_name_consistent,
        schools.address,
        schools.class_count,
        schools.pupil_count,
        schools.teacher_count,
        schools.area_m2,
        schools.founded_year
    from schools
    left join wards on schools.ward_code = wards.code
)

select * from final
