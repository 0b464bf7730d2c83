-- grain: one row per year, zone, street and section
with prices as (
    select * from {{ ref('stg_cadastre__land_prices') }}
),

final as (
    select
        year,
        zone_name,
        street_name,
        section_from,
        section_to,
        residential_vnd_m2,
        commercial_vnd_m2,
        production_vnd_m2
    from prices
)

select * from final
