-- A death counts in the month it was reported, so single months may hold more deaths than cases: 3 of 105,840 in the
-- five yearbooks of 2011-2017. Many of them would mean that two columns were swapped.
{{ config(error_if='> 100', warn_if='> 20') }}
with cases as (
    select * from {{ ref('city__disease_cases') }}
),

final as (
    select
        province_name,
        disease_code,
        year,
        month,
        cases,
        deaths
    from cases
    where deaths > cases
)

select * from final
