-- The sign alone decides whether capital came or went. A department that writes falls without one would double them.
with adjustments as (
    select * from {{ ref('stg_investment__fdi_adjustments') }}
),

final as (
    select
        project_code,
        adjustment_number,
        adjustment_kind,
        capital_change_usd
    from adjustments
    where (adjustment_kind = 'Giảm vốn') <> (capital_change_usd < 0)
)

select * from final
