-- grain: one row per public investment project
with projects as (
    select * from {{ ref('stg_investment__public_projects') }}
),

final as (
    select
        project_code,
        project_name,
        owner_name,
        project_group,
        total_cost_mvnd,
        start_year,
        end_year,
        ward_code
    from projects
)

select * from final
