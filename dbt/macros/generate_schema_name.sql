{#
  Schemas are called what the design calls them, without dbt's prefix. Who tries a model out sets a prefix of his own,
  for what is read too: --vars "sandbox: try_".
#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ var('sandbox', '') }}{{ custom_schema_name | trim if custom_schema_name else target.schema }}
{%- endmacro %}
