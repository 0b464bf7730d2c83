-- Rows are the wards that ended and have no successor from the next day on, or that go on and have one.
with wards as (
    select * from {{ ref('city__wards') }}
),

ward_changes as (
    select * from {{ ref('city__ward_changes') }}
),

final as (
    select
        wards.ward_code,
        wards.valid_from,
        wards.valid_to,
        ward_changes.to_ward_code,
        ward_changes.to_valid_from
    from wards
    left join ward_changes
        on
            wards.ward_code = ward_changes.from_ward_code
            and wards.valid_from = ward_changes.from_valid_from
    where not (date_add(wards.valid_to, 1) <=> ward_changes.to_valid_from)
)

select * from final
