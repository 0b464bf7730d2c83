{#
  A table of wards in the units of another day.

  relation   rows of wards: `ward_code`, the columns of `by`, and the measures
  measured   expression of the day on which the row's ward code was in force, such as a column or date'2026-09-30'
  units_of   expression of the day whose units are wanted, of those on which wards changed: see `units_on`
  additive   columns that may be summed: shared out by the weights of `city__ward_weights`
  ratios     name -> expression over the sums, computed after the sharing: a ratio is never shared out
  by         other columns that stay as they are, such as the disease or the year

  Sums are rounded to four decimals, for their last digits depend on the order of rows and would differ from build to
  build. Where somebody's share is not known the figure is an estimate: `is_estimate`. A ward code that was not in force
  on its day comes out as a row without a ward, which no key allows. What cannot be divided, such as a school, has no
  place here.
#}
{% macro in_units_of(relation, measured, units_of, additive, ratios={}, by=[]) %}
select
    ward_code,
    ward_valid_from,
    {% for column in by + additive %}{{ column }}, {% endfor %}
    {% for name, expression in ratios.items() %}{{ expression }} as {{ name }}, {% endfor %}
    is_estimate
from (
    select
        weights.to_ward_code as ward_code,
        weights.to_valid_from as ward_valid_from,
        {% for column in by %}measured_rows.{{ column }}, {% endfor %}
        {% for column in additive %}round(sum(measured_rows.{{ column }} * weights.weight), 4) as {{ column }}, {% endfor %}
        bool_or(weights.is_estimate) as is_estimate
    from ({{ _measured_rows(relation, measured, units_of) }}) as measured_rows
    {{ _joined_weights() }}
    group by all
) as shared
{% endmacro %}

{# The day, of those on which wards changed, whose units were those of a given day: units_on('2025-06-30'). #}
{% macro units_on(day) -%}
(select max(valid_from) from {{ ref('city__wards') }} where valid_from <= date'{{ day }}')
{%- endmacro %}

{% macro _measured_rows(relation, measured, units_of) -%}
select *, {{ measured }} as _measured, {{ units_of }} as _units_of from {{ relation }}
{%- endmacro %}

{% macro _joined_weights() -%}
left join {{ ref('city__wards') }} as wards_then
    on
        measured_rows.ward_code = wards_then.ward_code
        and measured_rows._measured >= wards_then.valid_from
        and (wards_then.valid_to is null or measured_rows._measured <= wards_then.valid_to)
left join {{ ref('city__ward_weights') }} as weights
    on
        wards_then.ward_code = weights.from_ward_code
        and wards_then.valid_from = weights.from_valid_from
        and measured_rows._units_of = weights.units_of
{%- endmacro %}
