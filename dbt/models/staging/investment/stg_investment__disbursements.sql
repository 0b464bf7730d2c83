-- grain: one row per project, fiscal year and reported month
with disbursements as (
    select * from {{ source('raw_investment', 'disbursements') }}
),

-- A fiscal year is paid until 31 January of the next, which is its month 13.
final as (
    select
        project_code,
        fiscal_year,
        report_month,
        paid_mvnd,
        paid_central_mvnd,
        paid_local_mvnd,
        (year(report_month) - fiscal_year) * 12 + month(report_month) as fiscal_month
    from disbursements
)

select * from final
