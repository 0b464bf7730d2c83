-- Rows are the diseases of which the wards before 2025-07-01 would have other cases in all than those in force have, or
-- of which cases fall to no ward: what is reported by ward must survive being told in other wards. The department tells
-- all weeks in the wards since 2025-07-01, also those before.
with disease_weeks as (
    select * from {{ ref('city__disease_weeks') }}
),

-- depends_on: {{ ref('city__wards') }}, {{ ref('city__ward_weights') }}
told_in_former_wards as (
    {{ in_units_of(
        'disease_weeks', "greatest(week_start_date, date'2025-07-01')", units_on('2025-06-30'), ['cases'],
        by=['disease_code']
    ) }}
),

before as (
    select
        disease_code,
        sum(cases) as cases,
        count_if(ward_code is null) as without_a_ward
    from told_in_former_wards
    group by disease_code
),

now as (
    select
        disease_code,
        sum(cases) as cases
    from disease_weeks
    group by disease_code
),

final as (
    select
        now.disease_code,
        now.cases,
        before.cases as cases_in_former_wards,
        before.without_a_ward
    from now
    left join before on now.disease_code = before.disease_code
    where before.cases is null or abs(now.cases - before.cases) > 0.01 or before.without_a_ward > 0
)

select * from final
