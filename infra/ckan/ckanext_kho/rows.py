"""Search among a table's rows: spelling as people type it, also in the search box of the table view.

CKAN's own table view turns every letter outside ASCII into a joker of one character, so "Huỳnh" finds everything
that "Hu_nh" could be; here every word is looked for as it is, accents folded by the database, its end left open.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from ckan.plugins import toolkit
from ckanext.datatablesview import blueprint as stock
from flask import Blueprint, request

LANGUAGE = "public.viet"

rows = Blueprint("kho_rows", __name__)


def composed(query: Any) -> Any:
    """A query with its accents in one piece with their letters (NFC), as the stored values have them."""
    if isinstance(query, str):
        return unicodedata.normalize("NFC", query)
    if isinstance(query, dict):
        return {column: composed(value) for column, value in query.items()}
    return query


def prefixes(typed: str) -> str:
    """A query that PostgreSQL understands: every word must begin like one that was typed."""
    return " & ".join(f"{word}:*" for word in re.findall(r"\w+", composed(typed)))


def table_query(everywhere: str, by_column: dict[str, str]) -> str:
    """What the table view's boxes ask for, as `datastore_search` wants it. Columns go before the general box."""
    asked = {column: prefixes(typed) for column, typed in by_column.items() if prefixes(typed)}
    return json.dumps(asked) if asked else prefixes(everywhere)


@toolkit.chained_action
@toolkit.side_effect_free
def datastore_search(original: Callable[..., Any], context: Any, data_dict: dict[str, Any]) -> Any:
    """Find decomposed spellings too, and answer the table view's questions as they were typed."""
    if data_dict.get("q"):
        data_dict = {**data_dict, "q": composed(data_dict["q"])}
    typed = request.environ.get("kho.table_query") if _in_table_view() else None
    if typed is not None and data_dict.get("limit") != 0:
        data_dict = {**data_dict, "q": typed, "language": LANGUAGE}
    return original(context, data_dict)


def _in_table_view() -> bool:
    return bool(request) and request.endpoint == "kho_rows.ajax"


@rows.route("/datatables/ajax/<resource_view_id>", methods=["POST"])
def ajax(resource_view_id: str) -> Any:
    """Answer the table view as CKAN does, with the search that was typed."""
    form = request.form
    names = {
        key: form[key.replace("[search][value]", "[name]")]
        for key in form
        if key.startswith("columns[") and key.endswith("[search][value]") and form[key]
    }
    request.environ["kho.table_query"] = table_query(
        form.get("search[value]", ""),
        {name: form[key] for key, name in names.items()},
    )
    return stock.ajax(resource_view_id)


@rows.route("/datatables/filtered-download/<resource_view_id>", methods=["POST"])
def filtered_download(resource_view_id: str) -> Any:
    """Download the rows that the table view shows."""
    asked = json.loads(request.form["params"])
    query = table_query(
        str(asked["search"]["value"]),
        {column["name"]: column["search"]["value"] for column in asked["columns"] if column["search"]["value"]},
    )
    answer = stock.filtered_download(resource_view_id)
    answer.location = _with(answer.location, q=query, language=LANGUAGE)
    return answer


def _with(address: str, **parameters: str) -> str:
    parts = urlsplit(address)
    kept = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name not in parameters]
    return urlunsplit(parts._replace(query=urlencode([*kept, *parameters.items()])))
