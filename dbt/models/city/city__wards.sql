-- grain: one row per commune-level unit of the city and spell in which it was the same
with wards as (
    select * from {{ ref('wards') }}
),

former_wards as (
    select * from {{ ref('former_wards') }}
),

districts as (
    select * from {{ ref('districts') }}
),

ward_changes as (
    select * from {{ ref('ward_changes') }}
),

predecessors as (
    select
        to_code as code,
        valid_from,
        array_join(array_sort(collect_set(from_code)), ', ') as codes
    from ward_changes
    group by all
),

successors as (
    select
        from_code as code,
        from_valid_from as valid_from,
        array_join(array_sort(collect_set(to_code)), ', ') as codes
    from ward_changes
    group by all
),

units as (
    select
        code,
        cast('2025-07-01' as date) as valid_from,
        cast(null as date) as valid_to,
        name,
        name_en,
        full_name,
        unit_type,
        cast(null as string) as district_code,
        province_code,
        area_km2,
        population
    from wards
    union all
    select
        code,
        valid_from,
        valid_to,
        name,
        cast(null as string) as name_en,
        full_name,
        unit_type,
        district_code,
        province_code,
        cast(null as double) as area_km2,
        cast(null as int) as population
    from former_wards
),

final as (
    select
        units.code as ward_code,
        units.valid_from,
        units.valid_to,
        units.name as ward_name,
        units.name_en as ward_name_en,
        units.full_name,
        units.unit_type,
        units.district_code,
        districts.full_name as district_name,
        units.province_code,
        predecessors.codes as predecessor_codes,
        successors.codes as successor_codes,
        units.area_km2,
        units.population
    from units
    -- A ward may outlive a change of its district's name: the last name it had in that spell.
    left join districts
        on
            units.district_code = districts.code
            and units.valid_to between districts.valid_from and districts.valid_to
    left join predecessors
        on
            units.code = predecessors.code
            and units.valid_from = predecessors.valid_from
    left join successors
        on
            units.code = successors.code
            and units.valid_from = successors.valid_from
)

select * from final
