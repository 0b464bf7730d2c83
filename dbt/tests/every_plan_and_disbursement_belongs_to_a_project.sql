-- Rows are projects that have a plan or were paid but are not among the projects, as happens when a project's own row
-- was returned as faulty (about 2 in 1,000). Their money still counts in the totals.
{{ config(error_if='> 20', warn_if='> 0') }}
with plans as (
    select * from {{ ref('stg_investment__public_plans') }}
),

disbursements as (
    select * from {{ ref('stg_investment__disbursements') }}
),

projects as (
    select * from {{ ref('city__public_projects') }}
),

funded as (
    select project_code from plans
    union distinct
    select project_code from disbursements
),

final as (
    select funded.project_code
    from funded
    left anti join projects on funded.project_code = projects.project_code
)

select * from final
