"""The portal's configuration: CKAN's ini file, and the licences that datasets may have."""

from __future__ import annotations

import json
from pathlib import Path

from infra.services import solr
from infra.settings import Settings
from quality.contract import load_catalogue

WRITER, READER, DATASTORE = "datastore", "datastore_reader", "datastore"  # two roles, and their database

# Ours comes first: of two plugins that answer the same route, the first is asked.
_PLUGINS = [
    *("kho", "datastore", "datatables_view", "text_view", "image_view"),
    *("scheming_datasets", "scheming_organizations", "scheming_groups"),
    *("dcat", "structured_data", "croissant"),
]


def site_id(settings: Settings) -> str:
    """The name by which the portal's search index, queue and API know this installation."""
    return f"kho-{settings.secret('portal-site')[:12]}"


def ini(settings: Settings) -> str:
    """CKAN's configuration. A `%` in a value would be taken for a reference: it is doubled."""
    database = f"@127.0.0.1:{settings.ports['postgres']}"
    secret = settings.secret

    def address(role: str, name: str) -> str:
        return f"postgresql://{role}:{secret(f'postgres-{role}')}{database}/{name}"

    values = {
        "use": "egg:ckan",
        "debug": "false",
        "SECRET_KEY": secret("portal-key"),
        "WTF_CSRF_SECRET_KEY": secret("portal-csrf"),
        "api_token.jwt.encode.secret": f"string:{secret('portal-tokens')}",
        "api_token.jwt.decode.secret": f"string:{secret('portal-tokens')}",
        "sqlalchemy.url": address("ckan", "ckan"),
        "sqlalchemy.pool_pre_ping": "true",
        "ckan.datastore.write_url": address(WRITER, DATASTORE),
        "ckan.datastore.read_url": address(READER, DATASTORE),
        "ckan.datastore.sqlalchemy.pool_size": "10",  # with CKAN's own 5, searches fail under load
        "ckan.datastore.sqlsearch.enabled": "false",
        "ckan.datastore.default_fts_lang": "public.viet",
        "ckan.datastore.default_fts_index_method": "gin",
        "ckan.datastore.sqlalchemy.executemany_mode": "values_plus_batch",  # many rows in one round trip
        "ckan.group_and_organization_list_all_fields_max": "1000",
        "ckan.redis.url": f"redis://:{secret('valkey')}@127.0.0.1:{settings.ports['valkey']}/0",
        "SESSION_TYPE": "redis",
        "solr_url": solr.url(settings),
        "ckan.site_url": settings.portal_url,
        "ckan.site_id": site_id(settings),
        "ckan.site_title": "Kho Mở",
        "ckan.site_description": "Dữ liệu mở Thành phố Hồ Chí Minh",
        "ckan.plugins": " ".join(_PLUGINS),
        "ckan.storage_path": str(settings.home / "portal" / "storage"),
        "ckan.webassets.path": str(settings.home / "portal" / "webassets"),
        "ckan.uploads_enabled": "true",
        "ckan.max_resource_size": "2048",
        "ckan.locale_default": "vi",
        "ckan.locales_offered": "vi en",
        "ckan.locale_order": "vi en",
        "ckan.display_timezone": "Asia/Ho_Chi_Minh",
        "ckan.hide_version": "true",
        "ckan.views.default_views": "",
        "ckan.auth.anon_create_dataset": "false",
        "ckan.auth.create_unowned_dataset": "false",
        "ckan.auth.create_dataset_if_not_in_organization": "false",
        "ckan.auth.user_create_groups": "true",  # the publisher makes them; nobody else can register
        "ckan.auth.user_create_organizations": "true",
        "ckan.auth.user_delete_groups": "true",
        "ckan.auth.user_delete_organizations": "true",
        "ckan.auth.create_user_via_api": "false",
        "ckan.auth.create_user_via_web": "false",
        "ckan.auth.public_user_details": "false",
        "ckan.cors.origin_allow_all": "true",  # open data: any page may ask the API
        "scheming.dataset_schemas": "ckanext_kho:schemas/dataset.yaml",
        "scheming.organization_schemas": "ckanext_kho:schemas/organization.yaml",
        "scheming.group_schemas": "ckanext_kho:schemas/group.yaml",
        "scheming.presets": "ckanext.scheming:presets.json ckanext_kho:schemas/presets.yaml",
        "ckan.feeds.date": "2026-01-01",  # or each look at a feed is a warning in the log
        "licenses_group_url": f"file://{_licences(settings)}",
        "ckanext.dcat.rdf.profiles": "kho_dcat",
        "ckanext.dcat.structured_data.profiles": "kho_schemaorg",
        "ckanext.dcat.croissant.profiles": "kho_croissant",
        "ckanext.dcat.resource.inherit.license": "true",
    }
    lines = [f"{name} = {value.replace('%', '%%')}" for name, value in values.items()]
    return "\n".join(["[app:main]", *lines, LOGGING])


# Python's fileConfig silences every logger that it is not told of.
LOGGING = """
[loggers]
keys = root, ckan, ckanext, gunicorn, rq
[handlers]
keys = console
[formatters]
keys = line
[logger_root]
level = WARNING
handlers = console
[logger_ckan]
level = WARNING
handlers =
qualname = ckan
[logger_ckanext]
level = WARNING
handlers =
qualname = ckanext
[logger_gunicorn]
level = WARNING
handlers =
qualname = gunicorn
[logger_rq]
level = WARNING
handlers =
qualname = rq
[handler_console]
class = StreamHandler
args = (sys.stdout,)
formatter = line
[formatter_line]
format = %(asctime)s %(levelname)-7s %(name)s %(message)s
"""


def _licences(settings: Settings) -> Path:
    return settings.run / "licences.json"


def write_licences(settings: Settings) -> None:
    """The licences that contracts may name, as CKAN reads them."""
    licences = [
        {
            "id": entry.id,
            "title": entry.title.vi,
            "title_translated": {"vi": entry.title.vi, "en": entry.title.en},
            "description": entry.description.vi,
            "description_translated": {"vi": entry.description.vi, "en": entry.description.en},
            # the city's own terms stand nowhere else
            "url": entry.url or f"{settings.portal_url}/about#{entry.id}",
            "status": "active",
        }
        for entry in load_catalogue().licences.values()
    ]
    _licences(settings).write_text(json.dumps(licences, ensure_ascii=False, indent=1), encoding="utf-8")
