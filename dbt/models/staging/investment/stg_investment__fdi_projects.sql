-- grain: one row per project of foreign direct investment
with projects as (
    select * from {{ source('raw_investment', 'fdi_projects') }}
),

-- The department keeps USD to the cent; as decimals they add up to the same sum in any order.
final as (
    select
        project_code,
        project_name,
        enterprise_name,
        licence_number,
        licence_date,
        section_code,
        country_code,
        country_name,
        ward_code,
        zone_name,
        project_type,
        status,
        expiry_date,
        cast(registered_capital_usd as decimal(18, 2)) as registered_capital_usd
    from projects
)

select * from final
