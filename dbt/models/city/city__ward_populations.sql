-- grain: one row per day on which wards changed, and ward of that day
-- depends_on: {{ ref('city__wards') }}, {{ ref('city__ward_weights') }}
with wards as (
    select * from {{ ref('city__wards') }}
),

days as (
    select distinct valid_from as units_of from wards
),

in_force as (
    select
        wards.ward_code,
        days.units_of,
        wards.population
    from wards
    cross join days
    where wards.valid_to is null
),

shared as (
    {{ in_units_of('in_force', "date'2025-07-01'", 'units_of', ['population'], by=['units_of']) }}
),

final as (
    select
        shared.units_of,
        shared.ward_code,
        wards.full_name,
        wards.district_name,
        shared.population,
        shared.is_estimate
    from shared
    left join wards
        on
            shared.ward_code = wards.ward_code
            and shared.ward_valid_from = wards.valid_from
)

select * from final
