-- grain: one row per year, week, ward and disease
with weeks as (
    select * from {{ ref('stg_health__disease_weeks') }}
),

wards as (
    select * from {{ ref('wards') }}
),

diseases as (
    select * from {{ ref('diseases') }}
),

final as (
    select
        weeks.year,
        weeks.week,
        weeks.week_start_date,
        weeks.ward_code,
        wards.name as ward_name,
        weeks.disease_code,
        diseases.name_vi as disease_name_vi,
        diseases.name_en as disease_name_en,
        weeks.cases,
        weeks.hospitalised,
        weeks.severe,
        weeks.deaths
    from weeks
    left join wards on weeks.ward_code = wards.code
    left join diseases on weeks.disease_code = diseases.code
)

select * from final
