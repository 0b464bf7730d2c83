-- Whatever the models do between, the sums of a week stay those of raw. Rows are the weeks and diseases where they do
-- not.
with reports as (
    select * from {{ source('raw_health', 'disease_weeks') }}
),

weeks as (
    select * from {{ ref('city__disease_weeks') }}
),

reported as (
    select
        year,
        week,
        disease_code,
        count(*) as ward_count,
        sum(cases) as cases,
        sum(hospitalised) as hospitalised,
        sum(severe) as severe,
        sum(deaths) as deaths
    from reports
    group by year, week, disease_code
),

kept as (
    select
        year,
        week,
        disease_code,
        count(*) as ward_count,
        sum(cases) as cases,
        sum(hospitalised) as hospitalised,
        sum(severe) as severe,
        sum(deaths) as deaths
    from weeks
    group by year, week, disease_code
),

final as (
    select
        reported.year,
        reported.week,
        reported.disease_code,
        reported.cases,
        kept.year as kept_year,
        kept.week as kept_week,
        kept.disease_code as kept_disease_code,
        kept.cases as kept_cases
    from reported
    full outer join kept
        on
            reported.year = kept.year
            and reported.week = kept.week
            and reported.disease_code = kept.disease_code
    where
        not reported.ward_count <=> kept.ward_count
        or not reported.cases <=> kept.cases
        or not reported.hospitalised <=> kept.hospitalised
        or not reported.severe <=> kept.severe
        or not reported.deaths <=> kept.deaths
)

select * from final
