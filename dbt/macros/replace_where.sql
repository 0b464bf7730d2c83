{#
  Parts of a table give way to what its model selects, in one commit: a strategy for incremental models, named as in
  dbt-databricks. What has one of the changed values in the column `unique_key` gives way.

  Which parts changed says `kho build`, in the environment: SQL literals, of a model that it built before and of which
  nothing else changed. Whoever runs dbt by hand does not say it, and makes the table anew. It is read when a model is
  made, not when the project is, of which dbt would read all anew that `env_var` is read in: 1 s a build.
#}
{% macro changed_parts(model_name) -%}
    {{ dbt_metadata_envs.get('KHO_CHANGED_' ~ model_name | upper, '') }}
{%- endmacro %}

{# In place of dbt's own, which `is_incremental` asks too. #}
{% macro should_full_refresh() -%}
    {%- set is_incremental = model.config.materialized == 'incremental' -%}
    {{ return(flags.FULL_REFRESH or (is_incremental and not changed_parts(model.name))) }}
{%- endmacro %}

{% macro dbt_spark_validate_get_incremental_strategy(raw_strategy, file_format) -%}
    {%- if raw_strategy != 'replace_where' or file_format != 'delta' -%}
        {{ exceptions.raise_compiler_error('incremental models here are Delta tables, by the strategy replace_where') }}
    {%- endif -%}
    {{ return(raw_strategy) }}
{%- endmacro %}

{% macro dbt_spark_get_incremental_sql(strategy, source, target, existing, unique_key, incremental_predicates) -%}
    insert into {{ target }}
    replace where {{ unique_key }} in ({{ changed_parts(model.name) }})
    select * from {{ source }}
{%- endmacro %}
