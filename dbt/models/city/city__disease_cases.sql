-- grain: one row per province, disease, year and month
with reports as (
    select * from {{ ref('stg_health__disease_cases') }}
),

diseases as (
    select * from {{ ref('diseases') }}
),

provinces as (
    select * from {{ ref('provinces') }}
),

former_provinces as (
    select * from {{ ref('former_provinces') }}
),

-- What a code means depends on when: 91 was Kiên Giang and is An Giang.
units as (
    select
        code,
        name,
        code as current_code,
        true as is_current
    from provinces
    union all
    select
        code,
        name,
        successor_code as current_code,
        false as is_current
    from former_provinces
),

final as (
    select
        reports.province_code,
        units.name as province_name,
        provinces.code as current_province_code,
        provinces.name as current_province_name,
        reports.disease_code,
        diseases.name_vi as disease_name_vi,
        diseases.name_en as disease_name_en,
        reports.year,
        reports.month,
        reports.cases,
        reports.deaths
    from reports
    left join units
        on
            reports.province_code = units.code
            and reports.is_of_current_provinces = units.is_current
    left join provinces on units.current_code = provinces.code
    left join diseases on reports.disease_code = diseases.code
)

select * from final
