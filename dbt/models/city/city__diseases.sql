-- grain: one row per disease
with diseases as (
    select * from {{ ref('diseases') }}
),

final as (
    select
        code as disease_code,
        name_vi as disease_name_vi,
        name_en as disease_name_en
    from diseases
)

select * from final
