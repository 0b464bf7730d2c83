-- grain: one row per pupil and school, in a school year
with pupils as (
    select * from {{ source('raw_education', 'pupils') }}
),

-- The folder of a delivery is its school year, "2025-2026". Of what is personal only what pupils are counted by is
-- here: the code tells apart, sex is counted, status and its date say where somebody is.
-- At school are those who study, who came from another school, and who had left and were taken back ("xin học lại":
-- other programs that read this template take it so too). Not at school are those who went to another school
-- (chuyển đi) or left (thôi học).
final as (
    select
        _period as school_year_name,
        school_code,
        pupil_code,
        grade,
        status_date,
        cast(left(_period, 4) as int) as school_year,
        sex in ('Nữ', '02') as is_girl,
        status in (
            'Đang học',
            'Chuyển đến trong hè',
            'Chuyển đến kỳ 1',
            'Chuyển đến kỳ 2',
            'Nghỉ học xin học lại kỳ 1',
            'Nghỉ học xin học lại kỳ 2'
        ) as is_at_school,
        is_boarding is not null as is_boarding
    from pupils
)

select * from final
