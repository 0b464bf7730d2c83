{#
  Parts of a table give way to what its model selects, in one commit: a strategy for incremental models, named and
  configured as in dbt-databricks. `incremental_predicates` tell which rows of the table give way.

  Which parts changed says `kho build`, in the environment: SQL literals, of a model that it built before and of which
  nothing else changed. Whoever runs dbt by hand does not say it, and makes the table anew.
#}
{% macro changed_parts(model_name) -%}
    {{ env_var('KHO_CHANGED_' ~ model_name | upper, '') }}
{%- endmacro %}

{% macro dbt_spark_validate_get_incremental_strategy(raw_strategy, file_format) -%}
    {%- if raw_strategy != 'replace_where' or file_format != 'delta' -%}
        {{ exceptions.raise_compiler_error('incremental models here are Delta tables, by the strategy replace_where') }}
    {%- endif -%}
    {{ return(raw_strategy) }}
{%- endmacro %}

{% macro dbt_spark_get_incremental_sql(strategy, source, target, existing, unique_key, incremental_predicates) -%}
    insert into {{ target }}
    replace where {{ incremental_predicates | join(' and ') }}
    select * from {{ source }}
{%- endmacro %}
