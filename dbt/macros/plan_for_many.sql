{#
  Most statements are over tables of few rows, and planned for those; what reads very many rows is better compiled to
  Java. Which models and tests do, and by which settings, says `kho build`, in the environment. dbt opens a session for
  each of them, so the settings are for the one alone.
#}
{% macro plan_for_many() -%}
    {%- set many = fromjson(dbt_metadata_envs.get('KHO_MANY_ROWS', '{}')) -%}
    {%- if execute and model.name in many.get('nodes', []) -%}
        {%- for name, value in many.settings.items() -%}
            {%- do run_query('set ' ~ name ~ ' = ' ~ value) -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}

{# Where dbt's tests look for it, for a test has no hooks. #}
{% macro spark__get_test_sql(main_sql, fail_calc, warn_if, error_if, limit) -%}
    {%- do plan_for_many() -%}
    {{ default__get_test_sql(main_sql, fail_calc, warn_if, error_if, limit) }}
{%- endmacro %}
