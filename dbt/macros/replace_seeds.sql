{#
  Seeds by `create or replace`, where dbt-spark drops and creates: readers never miss the table, and a build that was
  killed between the two leaves nothing that the next one stumbles over. Every column states its type, for dbt would
  read the code 01 as the number 1.
#}
{% macro spark__reset_csv_table(model, full_refresh, old_relation, agate_table) %}
    {{ return(create_csv_table(model, agate_table)) }}
{% endmacro %}

{% macro spark__create_csv_table(model, agate_table) %}
    {%- set column_types = model['config'].get('column_types', {}) -%}
    {%- for name in agate_table.column_names if name not in column_types -%}
        {{ exceptions.raise_compiler_error("seed " ~ model.name ~ ": column_types does not name " ~ name) }}
    {%- endfor %}
    {% set sql %}
    create or replace table {{ this }} (
        {%- for name in agate_table.column_names -%}
            {{ adapter.quote(name) }} {{ column_types[name] }}{{ ', ' if not loop.last }}
        {%- endfor -%}
    ) using delta
    {% endset %}
    {% call statement('_') -%}{{ sql }}{%- endcall %}
    {{ return(sql) }}
{% endmacro %}
