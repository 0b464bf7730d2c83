-- A project that was returned as faulty takes its adjustments with it: they wait, and the flows are without them. About
-- 2 in 1,000 projects are returned; many strangers would mean that the two tables number projects in different ways.
{{ config(error_if='> 40', warn_if='> 0') }}
with adjustments as (
    select * from {{ ref('stg_investment__fdi_adjustments') }}
),

projects as (
    select * from {{ ref('city__fdi_projects') }}
),

final as (
    select distinct adjustments.project_code
    from adjustments
    left anti join projects on adjustments.project_code = projects.project_code
)

select * from final
