-- Rows are the kinds of which the flows hold more, fewer or other dollars than the tables they come from: new capital
-- against the projects' first capital (not the present one, which has the adjustments in it), adjustments of known
-- projects, and contributions. A month with a project whose first capital is unknown has no sum here either.
with projects as (
    select * from {{ ref('city__fdi_projects') }}
),

adjustments as (
    select * from {{ ref('stg_investment__fdi_adjustments') }}
),

contributions as (
    select * from {{ ref('stg_investment__fdi_contributions') }}
),

flows as (
    select * from {{ ref('city__fdi_flows') }}
),

known as (
    select
        cast(first_registered_capital_usd as decimal(18, 2)) as usd,
        count_if(first_registered_capital_usd is null) over (
            partition by country_code, section_code, trunc(licence_date, 'month')
        ) as unknown_count
    from projects
),

expected as (
    select
        'project' as kind,
        count(*) as event_count,
        sum(if(unknown_count = 0, usd, 0)) as usd
    from known
    union all
    select
        'adjustment' as kind,
        count(*) as event_count,
        sum(adjustments.capital_change_usd) as usd
    from adjustments
    left semi join projects on adjustments.project_code = projects.project_code
    union all
    select
        'contribution' as kind,
        count(*) as event_count,
        sum(contributed_usd) as usd
    from contributions
),

found as (
    select
        'project' as kind,
        sum(new_project_count) as event_count,
        sum(cast(registered_usd as decimal(18, 2))) as usd
    from flows
    union all
    select
        'adjustment' as kind,
        sum(adjustment_count) as event_count,
        sum(cast(increased_usd as decimal(18, 2))) + sum(cast(decreased_usd as decimal(18, 2))) as usd
    from flows
    union all
    select
        'contribution' as kind,
        sum(contribution_count) as event_count,
        sum(cast(contributed_usd as decimal(18, 2))) as usd
    from flows
),

final as (
    select
        expected.kind,
        expected.event_count as expected_count,
        found.event_count as found_count,
        expected.usd as expected_usd,
        found.usd as found_usd
    from expected
    inner join found on expected.kind = found.kind
    where
        expected.event_count <> found.event_count
        or expected.usd <> found.usd
)

select * from final
