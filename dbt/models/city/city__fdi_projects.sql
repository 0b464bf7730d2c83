-- grain: one row per project of foreign direct investment
with projects as (
    select * from {{ ref('stg_investment__fdi_projects') }}
),

adjustments as (
    select * from {{ ref('stg_investment__fdi_adjustments') }}
),

sections as (
    select * from {{ ref('vsic_sections') }}
),

histories as (
    select
        projects.project_code,
        count(adjustments.adjustment_number) as adjustment_count,
        max(adjustments.adjustment_number) as last_adjustment_number,
        max(adjustments.adjustment_date) as last_adjustment_date,
        sum(adjustments.capital_change_usd) as capital_change_usd
    from projects
    left join adjustments on projects.project_code = adjustments.project_code
    group by projects.project_code
),

-- The department's figure holds every adjustment already ("hiện hành sau các lần điều chỉnh"), so adjustments are taken
-- off it to find the first capital, and never added to it. Where a number of 1, 2, … is missing, the first is unknown.
final as (
    select
        projects.project_code,
        projects.project_name,
        projects.enterprise_name,
        projects.licence_number,
        projects.licence_date,
        projects.section_code,
        sections.name as section_name,
        projects.country_code,
        projects.country_name,
        projects.ward_code,
        projects.zone_name,
        projects.project_type,
        projects.status,
        cast(projects.registered_capital_usd as double) as registered_capital_usd,
        cast(
            case
                when histories.adjustment_count = 0 then projects.registered_capital_usd
                when histories.adjustment_count = histories.last_adjustment_number
                    then projects.registered_capital_usd - histories.capital_change_usd
            end as double
        ) as first_registered_capital_usd,
        histories.adjustment_count,
        histories.last_adjustment_date,
        projects.expiry_date
    from projects
    inner join histories on projects.project_code = histories.project_code
    left join sections on projects.section_code = sections.code
)

select * from final
