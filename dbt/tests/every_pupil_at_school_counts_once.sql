-- Joins and groups must neither lose nor double a pupil. Rows are school years in which they did, of those that were
-- made anew.
{% set changed_years = changed_parts('city__school_pupils') %}
with pupils as (
    select * from {{ ref('stg_education__pupils') }}
    {% if changed_years %}
        where school_year_name in ({{ changed_years }})
    {% endif %}
),

counts as (
    select * from {{ ref('city__pupils') }}
    {% if changed_years %}
        where school_year_name in ({{ changed_years }})
    {% endif %}
),

persons as (
    select
        school_year,
        count(distinct pupil_code) as person_count
    from pupils
    where is_at_school
    group by school_year
),

sums as (
    select
        school_year,
        sum(pupil_count) as pupil_count,
        sum(girl_count + boy_count) as girl_and_boy_count
    from counts
    group by school_year
),

final as (
    select
        persons.school_year,
        persons.person_count,
        sums.school_year as summed_school_year,
        sums.pupil_count,
        sums.girl_and_boy_count
    from persons
    full outer join sums on persons.school_year = sums.school_year
    where
        not persons.person_count <=> sums.pupil_count
        or not persons.person_count <=> sums.girl_and_boy_count
)

select * from final
