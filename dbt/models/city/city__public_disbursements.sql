-- grain: one row per project, fiscal year and month that was reported
with disbursements as (
    select * from {{ ref('stg_investment__disbursements') }}
),

plans as (
    select * from {{ ref('stg_investment__public_plans') }}
),

planned as (
    select
        project_code,
        fiscal_year,
        sum(assigned_mvnd) as assigned_mvnd,
        sum(allocated_mvnd) as allocated_mvnd,
        count_if(budget = 'NSTW') > 0 as has_central_plan,
        count_if(budget = 'NSĐP') > 0 as has_local_plan
    from plans
    group by project_code, fiscal_year
),

reports as (
    select
        *,
        lag(fiscal_month) over (partition by project_code, fiscal_year order by fiscal_month) as month_before,
        lag(paid_mvnd) over (partition by project_code, fiscal_year order by fiscal_month) as paid_before_mvnd,
        max(paid_central_mvnd) over (partition by project_code, fiscal_year) > 0 as has_central_payments,
        max(paid_local_mvnd) over (partition by project_code, fiscal_year) > 0 as has_local_payments
    from disbursements
),

-- Sums begin anew with the fiscal year. Across a month without a report the difference would be that of two months.
monthly as (
    select
        *,
        case
            when fiscal_month = 1 then paid_mvnd
            when month_before = fiscal_month - 1 then paid_mvnd - paid_before_mvnd
        end as paid_in_month_mvnd
    from reports
),

-- A plan that lacks a budget which paid is not the whole plan: its percentages would be far too high.
final as (
    select
        monthly.project_code,
        monthly.fiscal_year,
        monthly.report_month,
        monthly.fiscal_month,
        monthly.paid_mvnd,
        monthly.paid_central_mvnd,
        monthly.paid_local_mvnd,
        monthly.paid_in_month_mvnd,
        planned.assigned_mvnd,
        planned.allocated_mvnd,
        monthly.fiscal_month = 13 as is_tail_month,
        monthly.paid_in_month_mvnd < 0 as is_correction,
        round(100 * monthly.paid_mvnd / nullif(planned.assigned_mvnd, 0), 2) as paid_of_assigned_pct,
        round(100 * monthly.paid_mvnd / nullif(planned.allocated_mvnd, 0), 2) as paid_of_allocated_pct
    from monthly
    left join planned
        on
            monthly.project_code = planned.project_code
            and monthly.fiscal_year = planned.fiscal_year
            and (planned.has_central_plan or not monthly.has_central_payments)
            and (planned.has_local_plan or not monthly.has_local_payments)
)

select * from final
