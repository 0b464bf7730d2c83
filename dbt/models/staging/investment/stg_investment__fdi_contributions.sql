-- grain: one row per notice of a contribution or a purchase of shares
with contributions as (
    select * from {{ source('raw_investment', 'fdi_contributions') }}
),

-- Delivered in million USD with six decimals, which are whole dollars.
final as (
    select
        notice_number,
        notice_date,
        section_code,
        country_code,
        country_name,
        cast(cast(value_musd as decimal(14, 6)) * 1000000 as decimal(18, 2)) as contributed_usd
    from contributions
)

select * from final
