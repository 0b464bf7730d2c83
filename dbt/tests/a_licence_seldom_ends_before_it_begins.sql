-- Rules of a contract see one column, so such dates come through: 1 in 2,500 projects. Many would mean swapped columns.
{{ config(error_if='> 100', warn_if='> 20') }}
with projects as (
    select * from {{ ref('city__fdi_projects') }}
),

final as (
    select
        project_code,
        licence_date,
        expiry_date
    from projects
    where expiry_date < licence_date
)

select * from final
