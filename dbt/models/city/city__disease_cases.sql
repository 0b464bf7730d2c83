-- grain: one row per province, disease, year and month
with reports as (
    select * from {{ ref('stg_health__disease_cases') }}
),

province_names as (
    select * from {{ ref('province_names') }}
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

coded as (
    select
        reports.disease_code,
        reports.year,
        reports.month,
        reports.cases,
        reports.deaths,
        reports.is_of_current_provinces,
        if(reports.is_of_current_provinces, province_names.code, province_names.former_code) as province_code
    from reports
    left join province_names on reports.reported_province = province_names.name
),

final as (
    select
        coded.province_code,
        units.name as province_name,
        provinces.code as current_province_code,
        provinces.name as current_province_name,
        coded.disease_code,
        diseases.name_vi as disease_name_vi,
        diseases.name_en as disease_name_en,
        coded.year,
        coded.month,
        coded.cases,
        coded.deaths
    from coded
    left join units
        on
            coded.province_code = units.code
            and coded.is_of_current_provinces = units.is_current
    left join provinces on units.current_code = provinces.code
    left join diseases on coded.disease_code = diseases.code
)

select * from final
