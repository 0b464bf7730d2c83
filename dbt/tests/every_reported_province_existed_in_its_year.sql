-- Rows are the provinces that a yearbook names although they did not exist in its year (Bình Dương in 2026).
with reports as (
    select * from {{ ref('stg_health__disease_cases') }}
),

final as (
    select distinct
        reported_province,
        year
    from reports
    where province_code is null
)

select * from final
