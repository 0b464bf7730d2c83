-- Single slips are told, and the total is published as it came; many would mean that the columns were mistaken for each
-- other.
{{ config(error_if='> 100', warn_if='> 0') }}
with disbursements as (
    select * from {{ ref('city__public_disbursements') }}
),

final as (
    select
        project_code,
        fiscal_year,
        report_month,
        paid_mvnd,
        paid_central_mvnd,
        paid_local_mvnd
    from disbursements
    where paid_mvnd <> paid_central_mvnd + paid_local_mvnd
)

select * from final
