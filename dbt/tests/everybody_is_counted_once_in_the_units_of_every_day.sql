-- Rows are the days in whose units the city does not have the people that it has: 14,544,929.
with ward_populations as (
    select * from {{ ref('city__ward_populations') }}
),

wards as (
    select * from {{ ref('city__wards') }}
),

city as (
    select sum(population) as population from wards
),

days as (
    select
        units_of,
        sum(population) as population
    from ward_populations
    group by all
),

final as (
    select
        days.units_of,
        days.population,
        city.population as expected
    from days
    cross join city
    where abs(days.population - city.population) > 0.01
)

select * from final
