-- grain: one row per licence to practise
with practitioners as (
    select * from {{ ref('stg_health__practitioners') }}
),

final as (
    select
        licence_number,
        full_name,
        scope,
        status,
        issued_date,
        facility_id,
        facility_name
    from practitioners
)

select * from final
