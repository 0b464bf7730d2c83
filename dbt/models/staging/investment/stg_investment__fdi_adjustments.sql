-- grain: one row per project and adjustment of its capital
with adjustments as (
    select * from {{ source('raw_investment', 'fdi_adjustments') }}
),

final as (
    select
        project_code,
        adjustment_number,
        adjustment_date,
        adjustment_kind,
        cast(capital_change_usd as decimal(18, 2)) as capital_change_usd
    from adjustments
)

select * from final
