-- grain: one row per school year, school and grade
{{ config(
    materialized='incremental',
    incremental_strategy='replace_where',
    unique_key='school_year_name'
) }}
with enrolments as (
    select * from {{ ref('stg_education__pupils') }}
    where
        is_at_school
        {% if is_incremental() %}
            and school_year_name in ({{ changed_parts('city__school_pupils') }})
        {% endif %}
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
),

final as (
    select
        school_year,
        school_year_name,
        school_code,
        grade,
        cast(count(*) as int) as pupil_count,
        cast(count_if(is_girl) as int) as girl_count,
        cast(count_if(not is_girl) as int) as boy_count,
        cast(count_if(is_boarding) as int) as boarding_count
    from standings
    where standing_number = 1
    group by
        school_year,
        school_year_name,
        school_code,
        grade
)

select * from final
