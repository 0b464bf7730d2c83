"""Media types of published files that Python, and with it CKAN, may not know: a machine need not have a list."""

from __future__ import annotations

import mimetypes
from typing import Any

_OURS = {
    ".geojson": "application/geo+json",
    ".jsonl": "application/jsonl",
    ".parquet": "application/vnd.apache.parquet",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


def teach() -> None:
    """From here on downloads are sent as what they are, and CKAN notes it of every new resource."""
    for ending, media_type in _OURS.items():
        mimetypes.add_type(media_type, ending)


def media_type(resource: dict[str, Any]) -> str | None:
    """Of a resource; by its address where CKAN did not note any."""
    return resource.get("mimetype") or mimetypes.guess_type(resource.get("url") or "")[0]
