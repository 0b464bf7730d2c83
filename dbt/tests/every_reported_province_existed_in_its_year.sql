-- Rows are the provinces that a yearbook names although they did not exist in its year (Bình Dương in 2026).
with reports as (
    select * from {{ ref('stg_health__disease_cases') }}
),

province_names as (
    select * from {{ ref('province_names') }}
),

final as (
    select distinct
        reports.reported_province,
        reports.year
    from reports
    left join province_names on reports.reported_province = province_names.name
    where if(reports.is_of_current_provinces, province_names.code, province_names.former_code) is null
)

select * from final
