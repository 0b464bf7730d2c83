-- A fiscal year is reported from its January to the next. Another day would make two reports of one month.
with disbursements as (
    select * from {{ ref('city__public_disbursements') }}
),

final as (
    select
        project_code,
        fiscal_year,
        report_month
    from disbursements
    where day(report_month) <> 1 or fiscal_month not between 1 and 13
)

select * from final
