-- grain: one row per country, section and month with a new project, an adjustment or a contribution
with projects as (
    select * from {{ ref('city__fdi_projects') }}
),

adjustments as (
    select * from {{ ref('stg_investment__fdi_adjustments') }}
),

contributions as (
    select * from {{ ref('stg_investment__fdi_contributions') }}
),

sections as (
    select * from {{ ref('vsic_sections') }}
),

-- A project counts with its first capital: what came or went later counts in the month of the adjustment.
events as (
    select
        'project' as kind,
        country_code,
        country_name,
        section_code,
        licence_date as event_date,
        cast(first_registered_capital_usd as decimal(18, 2)) as usd
    from projects
    union all
    select
        'adjustment' as kind,
        projects.country_code,
        projects.country_name,
        projects.section_code,
        adjustments.adjustment_date as event_date,
        adjustments.capital_change_usd as usd
    from adjustments
    inner join projects on adjustments.project_code = projects.project_code
    union all
    select
        'contribution' as kind,
        country_code,
        country_name,
        section_code,
        notice_date as event_date,
        contributed_usd as usd
    from contributions
),

-- The department types a country's name in every row; one code has one name here, the last one used.
countries as (
    select
        country_code,
        max_by(country_name, struct(event_date, country_name)) as country_name
    from events
    group by country_code
),

flows as (
    select
        country_code,
        section_code,
        trunc(event_date, 'month') as month,  -- noqa: RF04
        count_if(kind = 'project') as new_project_count,
        count_if(kind = 'project' and usd is null) as unknown_capital_count,
        sum(if(kind = 'project', usd, 0)) as registered_usd,
        count_if(kind = 'adjustment') as adjustment_count,
        sum(if(kind = 'adjustment', usd, 0)) as adjusted_usd,
        sum(if(kind = 'adjustment' and usd > 0, usd, 0)) as increased_usd,
        sum(if(kind = 'adjustment' and usd < 0, usd, 0)) as decreased_usd,
        count_if(kind = 'contribution') as contribution_count,
        sum(if(kind = 'contribution', usd, 0)) as contributed_usd
    from events
    group by country_code, section_code, trunc(event_date, 'month')
),

final as (
    select
        flows.country_code,
        countries.country_name,
        flows.section_code,
        sections.name as section_name,
        sections.name_en as section_name_en,
        flows.month,
        flows.new_project_count,
        cast(if(flows.unknown_capital_count > 0, null, flows.registered_usd) as double) as registered_usd,
        flows.adjustment_count,
        cast(flows.adjusted_usd as double) as adjusted_usd,
        cast(flows.increased_usd as double) as increased_usd,
        cast(flows.decreased_usd as double) as decreased_usd,
        flows.contribution_count,
        cast(flows.contributed_usd as double) as contributed_usd
    from flows
    inner join countries on flows.country_code = countries.country_code
    left join sections on flows.section_code = sections.code
)

select * from final
