-- grain: one row per fiscal year and month that was reported
with disbursements as (
    select * from {{ ref('city__public_disbursements') }}
),

plans as (
    select * from {{ ref('stg_investment__public_plans') }}
),

-- The whole plan of the year, also of projects that did not report: else a month with few reports would look good.
planned as (
    select
        fiscal_year,
        sum(assigned_mvnd) as assigned_mvnd,
        sum(allocated_mvnd) as allocated_mvnd
    from plans
    group by fiscal_year
),

-- Who should report in every month: whoever has a plan of the year, or reported in any month of it.
projects as (
    select
        project_code,
        fiscal_year
    from plans
    union distinct
    select
        project_code,
        fiscal_year
    from disbursements
),

expected as (
    select
        fiscal_year,
        count(*) as project_count
    from projects
    group by fiscal_year
),

reported as (
    select
        fiscal_year,
        report_month,
        fiscal_month,
        is_tail_month,
        sum(paid_mvnd) as paid_mvnd,
        sum(paid_central_mvnd) as paid_central_mvnd,
        sum(paid_local_mvnd) as paid_local_mvnd,
        count(*) as reporting_project_count,
        count_if(allocated_mvnd is null) as unplanned_project_count
    from disbursements
    group by fiscal_year, report_month, fiscal_month, is_tail_month
),

final as (
    select
        reported.fiscal_year,
        reported.report_month,
        reported.fiscal_month,
        reported.is_tail_month,
        reported.paid_mvnd,
        reported.paid_central_mvnd,
        reported.paid_local_mvnd,
        planned.assigned_mvnd,
        planned.allocated_mvnd,
        reported.reporting_project_count,
        reported.unplanned_project_count,
        expected.project_count - reported.reporting_project_count as silent_project_count,
        round(100 * reported.paid_mvnd / nullif(planned.assigned_mvnd, 0), 2) as paid_of_assigned_pct,
        round(100 * reported.paid_mvnd / nullif(planned.allocated_mvnd, 0), 2) as paid_of_allocated_pct
    from reported
    inner join expected on reported.fiscal_year = expected.fiscal_year
    left join planned on reported.fiscal_year = planned.fiscal_year
)

select * from final
