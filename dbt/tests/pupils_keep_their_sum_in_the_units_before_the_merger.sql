-- Rows are the school years of which the wards before 2025-07-01 have other pupils in all than those in force have.
with pupils as (
    select * from {{ ref('city__pupils') }}
),

former_ward_pupils as (
    select * from {{ ref('city__former_ward_pupils') }}
),

now as (
    select
        school_year,
        sum(pupil_count) as pupil_count
    from pupils
    group by school_year
),

before as (
    select
        school_year,
        sum(pupil_count) as pupil_count
    from former_ward_pupils
    group by school_year
),

final as (
    select
        now.school_year,
        now.pupil_count,
        before.school_year as former_school_year,
        before.pupil_count as former_pupil_count
    from now
    full outer join before on now.school_year = before.school_year
    where not coalesce(abs(now.pupil_count - before.pupil_count) <= 0.1, false)
)

select * from final
