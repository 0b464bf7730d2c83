-- grain: one row per licence to practise
with practitioners as (
    select * from {{ source('raw_health', 'practitioners') }}
),

-- Identity number and home address are not of the public register and nothing here needs them.
final as (
    select
        licence_number,
        full_name,
        scope,
        status,
        issued_on as issued_date,
        facility_id,
        facility_name
    from practitioners
)

select * from final
