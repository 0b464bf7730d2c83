-- grain: one row per project, fiscal year and budget
with plans as (
    select * from {{ source('raw_investment', 'public_plans') }}
),

final as (
    select
        project_code,
        fiscal_year,
        budget,
        assigned_mvnd,
        allocated_mvnd
    from plans
)

select * from final
