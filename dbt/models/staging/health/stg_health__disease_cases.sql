-- grain: one row per province, disease, year and month, as the yearbook of that year reports them
with reports as (
    select * from {{ source('raw_health', 'disease_cases') }}
),

-- The 63 provinces became 34 on 2025-07-01 and a name may have changed its code (Lào Cai: 10, then 15).
-- The yearbook of 2025 is taken to keep to the 63; those of later years know the 34 only.
final as (
    select
        province as reported_province,
        disease as disease_code,
        year,
        month,
        cases,
        deaths,
        year >= 2026 as is_of_current_provinces
    from reports
)

select * from final
