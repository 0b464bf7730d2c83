-- grain: one row per year, zone, street and section
with prices as (
    select * from {{ source('raw_cadastre', 'land_prices') }}
),

final as (
    select
        cast(_period as int) as year,  -- noqa: RF04
        _sheet as zone_name,  -- a zone is a sheet of the workbook, and stands nowhere else
        street_name,
        section_from,
        section_to,
        residential_kvnd_m2 * 1000 as residential_vnd_m2,
        commercial_kvnd_m2 * 1000 as commercial_vnd_m2,
        production_kvnd_m2 * 1000 as production_vnd_m2
    from prices
)

select * from final
