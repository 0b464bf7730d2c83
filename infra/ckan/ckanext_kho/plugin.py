"""The plugin: what CKAN asks of us, each answered in one place."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from ckan import model, plugins
from ckan.common import CKANConfig
from ckan.plugins import toolkit
from ckan.types import CKANApp
from ckanext.datastore.backend import DatastoreBackend
from flask import Blueprint

from ckanext_kho import bilingual, datasets, feeds, files, history, media, rows, texts
from ckanext_kho.tables import actions, dump

Dict = dict[str, Any]

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")


class KhoPlugin(plugins.SingletonPlugin):
    """Kho Mở on CKAN."""

    plugins.implements(plugins.IConfigurer)
    plugins.implements(plugins.IConfigurable)
    plugins.implements(plugins.IMiddleware, inherit=True)
    plugins.implements(plugins.ITranslation)
    plugins.implements(plugins.IActions)
    plugins.implements(plugins.IBlueprint)
    plugins.implements(plugins.ITemplateHelpers)
    plugins.implements(plugins.IPackageController, inherit=True)
    plugins.implements(plugins.IFacets, inherit=True)
    plugins.implements(plugins.IFeed)

    def update_config(self, config: CKANConfig) -> None:
        """Our pages, styles and font, and the media types of our files."""
        toolkit.add_template_directory(config, "templates")
        toolkit.add_public_directory(config, "public")
        toolkit.add_resource("assets", "ckanext-kho")
        media.teach()
        font = Path(toolkit.__file__).parents[2] / "fontpkg_be_vietnam_pro" / "files"
        if font.is_dir():
            toolkit.add_public_directory(config, str(font))

    def configure(self, config: CKANConfig) -> None:
        """Downloads of one version. The DataStore's plugin, which is asked after us, registers its own before this."""
        DatastoreBackend._backends["postgresql"] = dump.OneVersionBackend  # noqa: SLF001 - the last to register wins
        DatastoreBackend.set_active_backend(config)
        backend = DatastoreBackend.get_active_backend()
        backend.configure(config)
        plugins.get_plugin("datastore").backend = backend  # it took the one that it knew, and asks that for a query

    def make_middleware(self, app: CKANApp, config: CKANConfig) -> CKANApp:  # noqa: ARG002 - CKAN's signature
        """End each request's database session, also when the request could not be answered.

        CKAN (2.12.0, issue 5953) ends it after an answer. A thread whose connection was lost while it looked for the
        user of a token has none: the page that says so asks for that user again. It kept the broken session, and failed
        at every question with a token until one without came its way.
        """
        app.teardown_request(lambda _: model.Session.remove())
        return app

    def i18n_directory(self) -> str:
        """Where the compiled texts are."""
        return str(texts.compiled_folder())

    def i18n_locales(self) -> list[str]:
        """English needs none."""
        return ["vi"]

    def i18n_domain(self) -> str:
        """The name of the file of texts."""
        return texts.DOMAIN

    def get_actions(self) -> dict[str, Callable[..., Any]]:
        """Both languages, a search that knows Vietnamese, tables that are loaded whole, files that are found again."""
        return {
            **bilingual.ACTIONS,
            **datasets.ACTIONS,
            **actions.ACTIONS,
            **files.ACTIONS,
            **history.ACTIONS,
            "datastore_search": rows.datastore_search,
            "status_show": status_show,
        }

    def get_blueprint(self) -> list[Blueprint]:
        """The table view's questions, downloads, files, their history, and rows on their way in."""
        return [rows.rows, dump.dump, actions.staged_rows, files.files, history.history]

    def get_helpers(self) -> dict[str, Callable[..., Any]]:
        """Used in templates."""
        return {
            "kho_text": bilingual.text,
            "kho_say": bilingual.say,
            "kho_language": bilingual.language,
            "kho_licences": bilingual.licences,
            "kho_number": number,
            "kho_moment": moment,
            "kho_value": value,
            "kho_newest": newest,
            "kho_counts": counts,
            "kho_summary": history.summary,
            "kho_latest": history.latest,
        }

    def before_dataset_search(self, search_params: Dict) -> Dict:
        """Queries with their accents in one piece."""
        if search_params.get("q"):
            search_params["q"] = unicodedata.normalize("NFC", search_params["q"])
        return search_params

    def before_dataset_index(self, pkg_dict: Dict) -> Dict:
        """English texts are found too; objects are no text, and are taken out."""
        words = []
        for field in [name for name in pkg_dict if name.endswith("_translated")]:
            words += _words(pkg_dict.pop(field))
        pkg_dict["extras_translated"] = " ".join(words)
        return pkg_dict

    def get_feed_class(self) -> type[feeds.Feed]:
        """Atom feeds that lead to pages."""
        return feeds.Feed

    def get_item_additional_fields(self, dataset_dict: Dict) -> Dict:
        """What a feed's item is made of."""
        return feeds.item_fields(dataset_dict)

    def dataset_facets(self, facets_dict: Dict, package_type: str) -> Dict:  # noqa: ARG002 - CKAN's signature
        """Who, about what, which kind of file, under which terms."""
        return {name: title for name, title in facets_dict.items() if name != "tags"} | {
            "tags": toolkit._("Tags"),
        }


@toolkit.chained_action
@toolkit.side_effect_free
def status_show(original: Callable[..., Any], context: Any, data_dict: Dict) -> Dict:
    """Say which installation answers: on one machine there may be several."""
    status: Dict = original(context, data_dict)
    return {**status, "site_id": toolkit.config["ckan.site_id"]}


def _words(value: Any) -> list[str]:
    if isinstance(value, str) and value[:1] in "[{" and value:
        value = json.loads(value)
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [word for item in value for word in _words(item)]
    return [value] if isinstance(value, str) else []


def number(value: Any) -> str:
    """1234567 as the page's language writes it: 1.234.567 or 1,234,567."""
    written = f"{int(value):,}"
    return written.replace(",", ".") if bilingual.language() == "vi" else written


def moment(stated: str) -> str:
    """A moment (ISO 8601) on the city's clocks, as the page's language writes it; what is none, as it is."""
    try:
        at = datetime.fromisoformat(stated).astimezone(ZONE)
    except ValueError:  # somebody wrote it by hand
        return stated
    return at.strftime("%H:%M ngày %d/%m/%Y" if bilingual.language() == "vi" else "%Y-%m-%d %H:%M (UTC+7)")


def value(found: Any) -> str:
    """A cell of a table: a dash for nothing, no point where a number is whole."""
    if isinstance(found, float) and found.is_integer():
        return str(int(found))
    return "\N{EN DASH}" if found is None else str(found)


def newest(limit: int = 6) -> list[Dict]:
    """The datasets that changed last."""
    found = toolkit.get_action("package_search")({}, {"rows": limit, "sort": "metadata_modified desc"})
    results: list[Dict] = found["results"]
    return results


def counts() -> dict[str, int]:
    """How many datasets, organisations and rows there are."""
    found = toolkit.get_action("package_search")({}, {"rows": 1000, "fl": "id,extras_row_count"})
    rows_of = [int(item.get("row_count") or 0) for item in found["results"]]
    organisations = toolkit.get_action("organization_list")({}, {})
    return {"datasets": found["count"], "rows": sum(rows_of), "organisations": len(organisations)}
