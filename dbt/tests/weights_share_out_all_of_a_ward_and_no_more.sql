-- Rows are the wards whose weights for one day do not sum to 1, or that have none: people would be lost or counted
-- twice. A pair missing from `ward_changes` shows here.
with wards as (
    select * from {{ ref('city__wards') }}
),

ward_weights as (
    select * from {{ ref('city__ward_weights') }}
),

days as (
    select distinct valid_from as units_of from wards
),

expected as (
    select
        days.units_of,
        wards.ward_code,
        wards.valid_from
    from wards
    cross join days
),

found as (
    select
        units_of,
        from_ward_code,
        from_valid_from,
        sum(weight) as weight
    from ward_weights
    group by all
),

final as (
    select
        expected.units_of,
        expected.ward_code,
        expected.valid_from,
        found.weight
    from expected
    left join found
        on
            expected.units_of = found.units_of
            and expected.ward_code = found.from_ward_code
            and expected.valid_from = found.from_valid_from
    where found.weight is null or abs(found.weight - 1) > 1e-9
)

select * from final
