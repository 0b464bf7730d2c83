-- The GeoHash is to name a parcel in all the country, and its cells are 37 by 19 mm. Two parcels in one are one parcel
-- that was delivered twice, under two identifiers, and counts twice in every sum. Where only some sheets were made
-- anew, their parcels are compared with all.
{{ config(severity='warn') }}
{% set changed_files = changed_parts('city__parcels') %}
with parcels as (
    select * from {{ ref('city__parcels') }}
),

{% if changed_files %}
    made_anew as (
        select geohash from parcels
        where _file in ({{ changed_files }})
    ),

    compared as (
        select /*+ broadcast(made_anew) */ parcels.* from parcels
        left semi join made_anew on parcels.geohash = made_anew.geohash
    ),
{% else %}
    compared as (
        select * from parcels
    ),
{% endif %}

final as (
    select
        geohash,
        count(*) as parcel_count,
        min(parcel_id) as first_parcel_id,
        max(parcel_id) as last_parcel_id
    from compared
    group by geohash
    having count(*) > 1
)

select * from final
