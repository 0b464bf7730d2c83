-- grain: one row per province, disease, year and month, as the yearbook of that year reports them
with reports as (
    select * from {{ source('raw_health', 'disease_cases') }}
),

province_names as (
    select * from {{ ref('province_names') }}
),

-- The 63 provinces became 34 on 2025-07-01 and a name may have changed its code (Lào Cai: 10, then 15).
-- The yearbook of 2025 is taken to keep to the 63; those of later years know the 34 only.
dated as (
    select
        province,
        disease,
        year,
        month,
        cases,
        deaths,
        year >= 2026 as is_of_current_provinces
    from reports
),

final as (
    select
        dated.province as reported_province,
        dated.is_of_current_provinces,
        dated.disease as disease_code,
        dated.year,
        dated.month,
        dated.cases,
        dated.deaths,
        if(dated.is_of_current_provinces, province_names.code, province_names.former_code) as province_code
    from dated
    left join province_names on dated.province = province_names.name
)

select * from final
