-- grain: one row per year, week, ward and disease
with weeks as (
    select * from {{ source('raw_health', 'disease_weeks') }}
),

-- The fourth of January is always in week 1 of ISO 8601.
dated as (
    select
        year,
        week,
        ward_code,
        disease_code,
        cases,
        hospitalised,
        severe,
        deaths,
        date_add(trunc(make_date(year, 1, 4), 'week'), 7 * (week - 1)) as monday
    from weeks
),

-- A week 53 in a year that has 52 would be the first of the next year: it gets no date, and the gate stops it.
final as (
    select
        year,
        week,
        ward_code,
        disease_code,
        cases,
        hospitalised,
        severe,
        deaths,
        if(weekofyear(monday) = week, monday, null) as week_start_date
    from dated
)

select * from final
