-- grain: one row per day on which wards changed, ward of any day, and ward of that day that shares people with it
with recursive wards as (
    select
        ward_code,
        valid_from,
        valid_to
    from {{ ref('city__wards') }}
),

changes as (
    select * from {{ ref('city__ward_changes') }}
),

days as (
    select distinct valid_from as units_of from wards
),

-- Every ward with all that became of it, however often it changed.
chains as (
    select
        ward_code as from_ward_code,
        valid_from as from_valid_from,
        ward_code as to_ward_code,
        valid_from as to_valid_from,
        cast(1 as double) as weight
    from wards
    union all
    select
        chains.from_ward_code,
        chains.from_valid_from,
        changes.to_ward_code,
        changes.to_valid_from,
        chains.weight * changes.weight as weight
    from chains
    inner join changes
        on
            chains.to_ward_code = changes.from_ward_code
            and chains.to_valid_from = changes.from_valid_from
    where changes.weight > 0
),

forwards as (
    select
        from_ward_code,
        from_valid_from,
        to_ward_code,
        to_valid_from,
        sum(weight) as weight
    from chains
    group by all
),

-- Nobody knows how many of a ward's people came from each of its predecessors. Counted here: as many as there are
-- predecessors, one that gave only a part being that part.
backwards as (
    select
        to_ward_code as from_ward_code,
        to_valid_from as from_valid_from,
        from_ward_code as to_ward_code,
        from_valid_from as to_valid_from,
        weight
    from forwards
    where from_valid_from < to_valid_from
),

both_ways as (
    select * from forwards
    union all
    select * from backwards
),

on_a_day as (
    select
        days.units_of,
        both_ways.from_ward_code,
        both_ways.from_valid_from,
        both_ways.to_ward_code,
        both_ways.to_valid_from,
        both_ways.weight
    from both_ways
    inner join wards
        on
            both_ways.to_ward_code = wards.ward_code
            and both_ways.to_valid_from = wards.valid_from
    inner join days
        on
            wards.valid_from <= days.units_of
            and (wards.valid_to is null or wards.valid_to >= days.units_of)
),

totals as (
    select
        units_of,
        from_ward_code,
        from_valid_from,
        sum(weight) as weight
    from on_a_day
    group by all
),

final as (
    select
        on_a_day.units_of,
        on_a_day.from_ward_code,
        on_a_day.from_valid_from,
        on_a_day.to_ward_code,
        on_a_day.to_valid_from,
        -- Rounded: sums of doubles depend on the order of rows, and would differ from build to build.
        round(on_a_day.weight / totals.weight, 12) as weight,
        on_a_day.weight < totals.weight - 1e-9 as is_estimate
    from on_a_day
    inner join totals
        on
            on_a_day.units_of = totals.units_of
            and on_a_day.from_ward_code = totals.from_ward_code
            and on_a_day.from_valid_from = totals.from_valid_from
)

select * from final
