"""Two languages: Vietnamese stands in CKAN's own fields, both stand in `<field>_translated` beside them.

Pages in another language than Vietnamese get their texts by wrapping the actions that templates read from. The API
and every form that writes back keep what is stored.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ckan import model
from ckan.lib import i18n
from ckan.plugins import toolkit
from flask import g, has_request_context

Dict = dict[str, Any]
STORED = "vi"
VIEWS = {"Bảng dữ liệu": {"en": "Table"}}  # CKAN keeps one title of a view
_OWN_BLUEPRINTS = ("api", "dcat", "dcat_json_interface", "croissant", "structured_data", "datastore", "admin")
_WRITING = ("edit", "new", "delete", "manage")


def language() -> str:
    """The language of the page, without its region."""
    return str(i18n.get_lang()).partition("_")[0]


def reads_in_other_language() -> bool:
    """Whether a page is being read in a language other than the stored one."""
    if not has_request_context() or toolkit.request.method not in ("GET", "HEAD"):
        return False
    blueprint, _, view = (toolkit.request.endpoint or "").rpartition(".")
    return blueprint not in _OWN_BLUEPRINTS and not any(w in view for w in _WRITING) and language() != STORED


def text(of: Dict, field: str) -> Any:
    """A field in the page's language, or as it is stored."""
    return _translated(of, field).get(language()) or of.get(field, "")


def both(of: Dict, field: str) -> dict[str, str]:
    """A field in every language that it is there in; in the stored one at least."""
    stored = {STORED: of[field]} if of.get(field) else {}
    return {**stored, **{name: found for name, found in _translated(of, field).items() if found}}


def _translated(of: Dict, field: str) -> Dict:
    """By language; as a text, where CKAN did not read it."""
    found = of.get(f"{field}_translated")
    if isinstance(found, str) and found:
        found = json.loads(found)
    return found if isinstance(found, dict) else {}


def say(vietnamese: str, english: str) -> str:
    """One of our pages' own sentences."""
    return vietnamese if language() == STORED else english


def translate_group(group: Dict) -> None:
    """An organisation or group, as actions return it, in place."""
    group["title"] = text(group, "title")
    if group.get("title"):
        group["display_name"] = group["title"]
    group["description"] = text(group, "description")


def translate_package(package: Dict) -> None:
    """A dataset with its resources, organisation, groups and licence, in place."""
    for field in ("title", "notes"):
        package[field] = text(package, field)
    for resource in package.get("resources") or []:
        for field in ("name", "description"):
            resource[field] = text(resource, field)
    titles = group_titles()
    for group in [package.get("organization") or {}, *(package.get("groups") or [])]:
        if title := titles.get(group.get("name", "")):
            group["title"] = group["display_name"] = title
    if title := licence_title(package.get("license_id") or ""):
        package["license_title"] = title
    names = tag_names(package)
    for tag in package.get("tags") or []:
        tag["display_name"] = names.get(tag["name"], tag["name"])


def tag_names(package: Dict) -> dict[str, str]:
    """A dataset's tags, to what they are called in the page's language."""
    texts = package.get("tags_translated") or {}
    return dict(zip(texts.get(STORED) or [], texts.get(language()) or [], strict=False))


def translate_facets(facets: Dict, tags: dict[str, str]) -> None:
    """The names beside the counts of a search, in place."""
    for item in facets.get("tags", {}).get("items", []):
        item["display_name"] = tags.get(item["name"], item["display_name"])
    titles = group_titles()
    for kind in ("organization", "groups"):
        for item in facets.get(kind, {}).get("items", []):
            item["display_name"] = titles.get(item["name"], item["display_name"])
    for item in facets.get("license_id", {}).get("items", []):
        item["display_name"] = licence_title(item["name"]) or item["display_name"]


def group_titles() -> dict[str, str]:
    """Names of organisations and groups, to their titles in the page's language. One query a page."""
    if "kho_group_titles" not in g:
        g.kho_group_titles = {name: text(extras, "title") for name, extras in _group_extras().items()}
    titles: dict[str, str] = g.kho_group_titles
    return titles


def both_titles(group: Dict) -> dict[str, str]:
    """The title of an organisation or group, as it stands within a dataset, in both languages. One query a page."""
    if "kho_group_extras" not in g:
        g.kho_group_extras = _group_extras()
    return both({**g.kho_group_extras.get(group["name"], {}), "title": group["title"]}, "title")


def _group_extras() -> dict[str, Dict]:
    rows = model.Session.query(model.Group.name, model.Group.extras).filter(model.Group.state == "active")
    return {name: extras for name, extras in rows if extras}


def licence_title(licence: str) -> str:
    """The licence's name in the page's language, empty if there is none."""
    known = model.Package.get_license_register().get(licence)
    return str(text(known.license_dictize(), "title")) if known else ""


def licences() -> list[Dict]:
    """Every licence that datasets may have, in the page's language."""
    known = [licence.license_dictize() for licence in model.Package.get_license_register().values()]
    return [{**licence, **{name: text(licence, name) for name in ("title", "description")}} for licence in known]


def _wrapped(translate: Callable[[Any], None]) -> Callable[..., Any]:
    @toolkit.chained_action
    @toolkit.side_effect_free
    def action(original: Callable[..., Any], context: Any, data_dict: Dict) -> Any:
        answer = original(context, data_dict)
        if reads_in_other_language():
            translate(answer)
        return answer

    return action


def _each_group(groups: Any) -> None:
    titles = group_titles()
    for group in groups:
        if isinstance(group, dict):
            if "title_translated" in group:
                translate_group(group)
            else:
                group["title"] = group["display_name"] = titles.get(group["name"], group["display_name"])


def _each_result(answer: Dict) -> None:
    tags: dict[str, str] = {}
    for package in answer["results"]:
        translate_package(package)
        tags |= tag_names(package)
    translate_facets(answer["search_facets"], tags)


def _each_licence(licences: list[Dict]) -> None:
    for licence in licences:
        licence["title"] = text(licence, "title")


def _each_view(views: Any) -> None:
    for view in views if isinstance(views, list) else [views]:
        view["title"] = VIEWS.get(view["title"], {}).get(language(), view["title"])


def _each_field(answer: Dict) -> None:
    for field in answer.get("fields", []):
        info = field.get("info") or {}
        for name in ("label", "notes"):
            if name in info:
                info[name] = text(info, name)


ACTIONS: dict[str, Callable[..., Any]] = {
    "package_show": _wrapped(translate_package),
    "package_search": _wrapped(_each_result),
    "organization_show": _wrapped(translate_group),
    "group_show": _wrapped(translate_group),
    "organization_list": _wrapped(_each_group),
    "group_list": _wrapped(_each_group),
    "organization_list_for_user": _wrapped(_each_group),
    "license_list": _wrapped(_each_licence),
    "resource_view_list": _wrapped(_each_view),
    "resource_view_show": _wrapped(_each_view),
    "datastore_info": _wrapped(_each_field),
}
