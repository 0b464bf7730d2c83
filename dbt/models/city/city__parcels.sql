-- grain: one row per parcel
{{ config(
    materialized='incremental',
    incremental_strategy='replace_where',
    unique_key='_file',
    tblproperties={
        'delta.dataSkippingNumIndexedCols': 0,
        'delta.enableChangeDataFeed': 'true',
        'delta.enableDeletionVectors': 'true'
    }
) }}
with parcels as (
    select * from {{ ref('stg_cadastre__parcels') }}
    {% if is_incremental() %}
        where _file in ({{ changed_parts('city__parcels') }})
    {% endif %}
),

ward_changes as (
    select * from {{ ref('ward_changes') }}
),

-- 167 of the 168 codes in force were those of other wards until 2025-06-30, so a code that a sheet states may mean
-- either: it is right when the parcel lies in that ward in force, or in one that took some of that former ward.
successors as (
    select distinct
        from_code,
        to_code
    from ward_changes
    where valid_from = date '2025-07-01'
),

final as (
    select
        parcels.parcel_id,
        parcels.geohash,
        parcels.stated_ward_code,
        parcels.located_ward_code as ward_code,
        parcels.use_code,
        parcels.main_use_code,
        parcels.area_m2,
        parcels.legal_area_m2,
        parcels.geodesic_area_m2,
        parcels.longitude,
        parcels.latitude,
        parcels.crs_epsg,
        parcels.updated_date,
        parcels._file,
        parcels.stated_ward_code = parcels.located_ward_code
        or successors.to_code is not null as is_ward_consistent
    from parcels
    left join successors
        on
            parcels.stated_ward_code = successors.from_code
            and parcels.located_ward_code = successors.to_code
)

select * from final
